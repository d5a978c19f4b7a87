import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Compiles programs that other users run. Every user may read the folder; only this user may write to it. Each program is started once
 * without settings: it loads its modules and reports the missing settings, and Node writes the compiled form when the program ends.
 * @param programs arguments of Node, one list per program.
 */
export async function compilePrograms(folder: string, programs: readonly (readonly string[])[], cwd: string): Promise<void> {
  removeLinks(folder);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const env = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: folder };
  for (const args of programs) {
    // A program that fails here fails again in its pod, and the pod's log shows the message.
    await new Promise<void>((ended) => execFile(process.execPath, [...args], { cwd, env }, () => ended()));
  }
  for (const version of readdirSync(folder)) {
    chmodSync(join(folder, version), 0o755);
    for (const file of readdirSync(join(folder, version))) chmodSync(join(folder, version, file), 0o644);
  }
}

/**
 * Lets programs of another user find the code that this user compiled. Node trusts the compiled code, so it looks in a folder whose name
 * ends with the id of its own user. The other user gets a link to this user's folder and cannot write to it.
 */
export function shareCompiled(folder: string, uid: number): void {
  const own = `-${process.getuid?.()}`;
  for (const version of readdirSync(folder).filter((name) => name.endsWith(own))) {
    const link = join(folder, `${version.slice(0, -own.length)}-${uid}`);
    if (!existsSync(link)) symlinkSync(version, link);
  }
}

/** Removes the links of an earlier run's pods. */
function removeLinks(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isSymbolicLink()) rmSync(join(folder, entry.name));
}
