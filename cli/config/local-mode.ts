import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isLoopback } from './secure-url.ts';

const record = z.object({
  kubeconfig: z.string().optional(),
  adminUrl: z.string(),
  /** Of the stand-in's administrator; at a real WorkOS environment one signs in. */
  adminToken: z.string().optional(),
});

/** What `npm start` says of itself while it runs. */
export type LocalMode = Readonly<z.infer<typeof record>> & {
  /** State folder that says so. */
  readonly folder: string;
};

export interface LocalModeSearch {
  readonly found: LocalMode | undefined;
  /** Files that looked like one and are not believed, each with the reason. */
  readonly ignored: readonly string[];
}

/** Folders in which local mode keeps its state: with the stand-in, and with a real WorkOS environment. */
const stateFolders = ['.tenantry', '.tenantry-workos'];

/**
 * Looks for local mode in `folder` and above it. Whoever can write there could name a server of their own, as in /tmp or in a repository
 * that was cloned: believed is only what the user `uid` alone can write, in a file that nobody else can read, as `npm start` makes it;
 * and only for this machine. Somebody's archive that the user unpacks can bring such a file: it can name an address of this machine, and
 * the token it brings itself.
 * @param uid undefined where users have no number: there is no local mode there.
 */
export function findLocalMode(folder: string, uid: number | undefined): LocalModeSearch {
  const ignored: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    for (const state of stateFolders) {
      const judged = read(join(at, state), uid);
      if (typeof judged === 'object') return { found: judged, ignored };
      if (judged !== undefined) ignored.push(`${join(at, state, 'local.json')} is not used: ${judged}`);
    }
    if (dirname(at) === at) return { found: undefined, ignored };
  }
}

/** The record, why it is not believed, or undefined where there is none. */
function read(folder: string, uid: number | undefined): LocalMode | string | undefined {
  let text: string;
  try {
    const stats = lstatSync(folder);
    const opened = openSync(join(folder, 'local.json'), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const fault = strangeness(stats, 0o022, uid) ?? strangeness(fstatSync(opened), 0o077, uid);
      if (fault !== undefined) return fault;
      text = readFileSync(opened, 'utf8');
    } finally {
      closeSync(opened);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : `it cannot be read (${code})`;
  }
  const parsed = record.safeParse(parseJson(text));
  // It may just be written.
  if (!parsed.success) return undefined;
  const url = URL.parse(parsed.data.adminUrl);
  if (url === null || !/^https?:$/.test(url.protocol) || !isLoopback(url.hostname))
    return 'it names a control plane that is not on this machine';
  return { ...parsed.data, folder };
}

/** Why a file or folder may be of somebody else's making. `forbidden`: permissions that nobody but its owner may have. */
export function strangeness(stats: Stats, forbidden: number, uid: number | undefined): string | undefined {
  if (stats.isSymbolicLink()) return 'a symbolic link leads to it';
  if (stats.uid !== uid) return 'it belongs to another user';
  if ((stats.mode & forbidden) !== 0) return `others than its owner may ${(stats.mode & 0o022) === 0 ? 'read' : 'write'} it`;
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
