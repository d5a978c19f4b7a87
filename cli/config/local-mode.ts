import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isLoopback } from './secure-url.ts';

const record = z.object({
  kubeconfig: z.string().optional(),
  adminUrl: z.string(),
  /** Token of the stand-in's administrator; absent with a real WorkOS environment, where users sign in. */
  adminToken: z.string().optional(),
});

/** The record that `npm start` keeps in `local.json` while it runs. */
export type LocalMode = Readonly<z.infer<typeof record>> & {
  /** State folder in which the record was found. */
  readonly folder: string;
};

export interface LocalModeSearch {
  readonly found: LocalMode | undefined;
  /** Records that are not trusted, each with the reason. */
  readonly ignored: readonly string[];
}

/** State folders of local mode: with the stand-in, and with a real WorkOS environment. */
const stateFolders = ['.tenantry', '.tenantry-workos'];

/**
 * Looks for local mode in `folder` and its parent folders. Another person may be able to write there, as in /tmp or in a cloned
 * repository, and could name their own server. A record is therefore trusted only if user `uid` alone can write its folder, user `uid`
 * alone can read the file (as `npm start` makes it), and its URL points to this machine. An archive that the user unpacks can still
 * contain such a file. That file can name only an address of this machine and its own token.
 * @param uid undefined on systems without user ids, where local mode is never found
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

/** The record, the reason why it is not trusted, or undefined if there is none. */
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
  // `npm start` may still be writing the file.
  if (!parsed.success) return undefined;
  const url = URL.parse(parsed.data.adminUrl);
  if (url === null || !/^https?:$/.test(url.protocol) || !isLoopback(url.hostname))
    return 'it names a control plane that is not on this machine';
  return { ...parsed.data, folder };
}

/**
 * Why a file or folder is not trusted as the user's own; undefined if it is trusted.
 * @param forbidden mode bits that only the owner may have
 */
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
