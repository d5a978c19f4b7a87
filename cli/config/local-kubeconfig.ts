import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type LocalMode, strangeness } from './local-mode.ts';
import { isLoopback } from './secure-url.ts';

/**
 * The only fields that clusters and users may have in a kubeconfig of local mode. Other fields are rejected: they could start programs
 * (`exec`, `auth-provider`), send a file of the user to a server (`tokenFile`) or redirect the connection (`proxy-url`).
 */
const kubeconfig = z.object({
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.strictObject({ server: z.string().refine(isLocal), 'certificate-authority-data': z.string() }),
    }),
  ),
  users: z.array(
    z.object({ name: z.string(), user: z.strictObject({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }) }),
  ),
});

export type LocalKubeconfig = { readonly path: string } | { readonly because: string };

/**
 * The kubeconfig of local mode, or the reason why it is not used. The file must lie in the state folder, belong to the user and point only
 * to this machine.
 */
export function localKubeconfig({ kubeconfig: path, folder }: LocalMode, uid: number | undefined): LocalKubeconfig {
  const refused = (because: string): LocalKubeconfig => ({ because: `the kubeconfig of local mode is not used: ${because}` });
  if (path === undefined) return refused('there is none');
  try {
    const real = realpathSync(path);
    if (!real.startsWith(realpathSync(folder) + sep)) return refused(`it is not in ${folder}`);
    const opened = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const fault = strangeness(fstatSync(opened), 0o077, uid);
      if (fault !== undefined) return refused(fault);
      if (!kubeconfig.safeParse(parse(readFileSync(opened, 'utf8'))).success) return refused('it is not as local mode writes it');
    } finally {
      closeSync(opened);
    }
    return { path: real };
  } catch (error) {
    return refused(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'no YAML'})`);
  }
}

function isLocal(server: string): boolean {
  const url = URL.parse(server);
  return url?.protocol === 'https:' && isLoopback(url.hostname);
}
