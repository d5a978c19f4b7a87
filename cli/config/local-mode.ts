import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const record = z.object({
  kubeconfig: z.string().optional(),
  adminUrl: z.string(),
  /** Of the stand-in's administrator; at a real WorkOS environment one signs in. */
  adminToken: z.string().optional(),
});

export type LocalMode = Readonly<z.infer<typeof record>>;

/** Folders in which local mode keeps its state: with the stand-in, and with a real WorkOS environment. */
const stateFolders = ['.tenantry', '.tenantry-workos'];

/** What `npm start` says of itself while it runs, in the state folder in `folder` or in one above it. */
export function findLocalMode(folder: string): LocalMode | undefined {
  for (let at = folder; ; at = dirname(at)) {
    for (const state of stateFolders) {
      try {
        const parsed = record.safeParse(JSON.parse(readFileSync(join(at, state, 'local.json'), 'utf8')));
        if (parsed.success) return parsed.data;
      } catch {
        // Not there, or just being written.
      }
    }
    if (dirname(at) === at) return undefined;
  }
}
