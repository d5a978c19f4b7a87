import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Log, type Supervised, supervise } from '../../../local/machine/process.ts';
import { ProcessRecords } from '../../../local/machine/process-records.ts';

/** Starts a program of the node and resolves when `ready` says so; it is started again when it ends. */
export type StartProgram = (
  name: string,
  command: string,
  args: readonly string[],
  options?: { readonly ready?: (signal: AbortSignal) => Promise<boolean>; readonly env?: Readonly<Record<string, string>> },
) => Promise<Supervised>;

/** Programs whose logs are `<folder>/<name>.log`. They end with the namespaces, so nobody stops them. */
export function programsIn(folder: string, log: Log, signal: AbortSignal): StartProgram {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const records = new ProcessRecords(join(folder, 'processes'));
  return (name, command, args, { ready, env = {} } = {}) =>
    supervise({
      name,
      command,
      args,
      env: { PATH: process.env['PATH'] ?? '', HOME: '/root', ...env },
      logFile: join(folder, `${name}.log`),
      records,
      log,
      signal,
      ...(ready ? { ready } : {}),
    });
}

/** Whether an HTTP server answers well. */
export async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  const response = await fetch(url, { signal });
  await response.body?.cancel();
  return response.ok;
}
