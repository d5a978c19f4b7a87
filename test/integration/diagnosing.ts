import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'vitest';
import { findBinaries } from '../../local/kubernetes/binaries.ts';
import type { CommandLine } from './command-line.ts';

/** What `tenantry diagnose --output json` writes. */
export interface Found {
  readonly url: string;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly fault?: string;
    readonly why?: string;
    readonly commands?: readonly string[];
    readonly seen: readonly string[];
  }[];
  readonly firstBroken?: { readonly name: string; readonly fault: string; readonly remedy: string; readonly commands: readonly string[] };
}

export interface Diagnosed {
  readonly code: number | null;
  readonly found: Found;
  readonly stdout: string;
}

/** Runs `tenantry diagnose`. Every broken link must have a remedy. */
export async function diagnose(
  who: CommandLine,
  what: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Diagnosed> {
  const { code, value, stdout, stderr } = await who.json<Found>(['diagnose', what, ...args], env);
  if (!args.includes('--bundle')) expect(stderr).toBe('');
  for (const step of value.steps) if (step.state === 'broken') expect(step).toMatchObject({ remedy: expect.stringMatching(/\.$/) });
  return { code, found: value, stdout };
}

/** State of each link. */
export const stateOf = ({ steps }: Found): Record<string, string> => Object.fromEntries(steps.map((step) => [step.name, step.state]));

/** Pastes a command into a shell that has kubectl and tenantry, as somebody would. Never rejects. */
export function paste(
  command: string,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const programs = join(folder, 'bin');
  mkdirSync(programs, { recursive: true });
  try {
    symlinkSync(resolve(import.meta.dirname, '../../cli/tenantry.mjs'), join(programs, 'tenantry'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const path = [programs, dirname(findBinaries().kubectl), dirname(process.execPath), process.env['PATH']].join(':');
  return new Promise((done) =>
    execFile('bash', ['-c', command], { env: { HOME: folder, ...env, PATH: path } }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    ),
  );
}
