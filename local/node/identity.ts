import { spawnSync } from 'node:child_process';
import type { Log } from '../machine/process.ts';
import { parseAddress } from './addresses.ts';
import type { Owner } from './atomic-folder.ts';

/** Returns the user of a pod's processes, by the pod's address. */
export type OwnerOf = (podIp: string) => Owner;

/** First uid of pods, far above the users of a machine. With 24 address bits added it stays below 2^31. */
const firstUid = 0x2000_0000;
/** Shared uid of all pods in a user namespace that has only 65,536 users. */
const sharedUid = 65_532;

/**
 * Chooses the users of pods. An ordinary user's pods run as that user. Under root, each pod gets its own unprivileged uid without an
 * account, so that tenants cannot read each other's files or environment. runAsUser is mapped to it, as in a user namespace.
 * When such a user could not read the programs, pods run as root, and a log line reports it.
 */
export function chooseOwner(options: { readable: readonly string[]; traversable: string; log: Log }): OwnerOf {
  if (process.getuid?.() !== 0) return () => undefined;
  let problem = '';
  for (const uid of [firstUid + 1, sharedUid]) {
    problem = inaccessible(uid, options.readable, options.traversable) ?? '';
    if (problem === '') return (podIp) => ownerOf(uid === sharedUid ? uid : firstUid + (parseAddress(podIp) & 0xff_ffff));
  }
  options.log.warn(
    { path: problem },
    'pods run as root, because an unprivileged user cannot get at this path; put it where everybody may read',
  );
  return () => undefined;
}

function ownerOf(uid: number): Owner {
  return { uid, gid: uid };
}

const check =
  'const {accessSync, constants} = require("node:fs");' +
  'const [folder, ...files] = process.argv.slice(1);' +
  'for (const [path, mode] of [[folder, constants.X_OK], ...files.map((file) => [file, constants.R_OK])])' +
  ' try { accessSync(path, mode) } catch { console.log(path); process.exit(1) }';

/** Returns the first path that the user cannot access. Undefined when all are accessible. */
function inaccessible(uid: number, files: readonly string[], folder: string): string | undefined {
  const result = spawnSync(process.execPath, ['-e', check, folder, ...files], { uid, gid: uid, env: {}, cwd: '/', encoding: 'utf8' });
  if (result.status === 0) return undefined;
  return result.stdout?.trim() || process.execPath;
}
