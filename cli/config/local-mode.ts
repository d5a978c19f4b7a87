import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const record = z.object({
  kubeconfig: z.string().optional(),
  adminUrl: z.string(),
  adminToken: z.string(),
});

export type LocalMode = Readonly<z.infer<typeof record>>;

/** What `npm start` says of itself while it runs, in `.tenantry/local.json` of `folder` or of one above it. */
export function findLocalMode(folder: string): LocalMode | undefined {
  for (let at = folder; ; at = dirname(at)) {
    try {
      const parsed = record.safeParse(JSON.parse(readFileSync(join(at, '.tenantry', 'local.json'), 'utf8')));
      if (parsed.success) return parsed.data;
    } catch {
      // Not there, or just being written.
    }
    if (dirname(at) === at) return undefined;
  }
}
