import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** An expected failure. The message says what to do. */
export class Trouble extends Error {}

/** Whether a program of that name is in PATH. */
export function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether a command exits with 0. Its output is dropped. */
export function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/**
 * Runs a command without showing its output.
 * @throws Trouble with the whole output.
 */
export async function run(command: string, args: readonly string[], options: { env?: Record<string, string> } = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } });
  let printed = '';
  let output = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    printed += chunk;
  });
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', (error) => reject(new Trouble(`${command} could not be started: ${error.message}`)));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (status !== 0) throw new Trouble(`${printed.trim()}\n\nThis failed (${status}): ${[command, ...args].join(' ')}`);
  return output.trim();
}
