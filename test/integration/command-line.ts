import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const root = resolve(import.meta.dirname, '../..');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The `tenantry` program as somebody uses it: its own process, home and configuration. */
export class CommandLine {
  /** HOME, and the folder it is started in. */
  readonly home: string;
  readonly #env: Readonly<Record<string, string>>;

  /** @param folder where the home is made. */
  constructor(folder: string, env: Readonly<Record<string, string>> = {}) {
    this.home = mkdtempSync(join(folder, 'home-'));
    this.#env = env;
  }

  /** Runs one command to its end. Never rejects: exit code and output are the result. */
  async run(
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
  ): Promise<Ran> {
    const running = this.start(args, options.env);
    running.stdin.end(options.input ?? '');
    const [code, stdout, stderr] = await Promise.all([
      new Promise<number | null>((end) => running.on('close', end)),
      text(running.stdout),
      text(running.stderr),
    ]);
    return { code, stdout, stderr };
  }

  /** Runs one command with JSON as its output. */
  async json<T>(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran & { readonly value: T }> {
    const ran = await this.run([...args, '--output', 'json'], { env });
    return { ...ran, value: JSON.parse(ran.stdout === '' ? 'null' : ran.stdout) as T };
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return spawn(process.execPath, [join(root, 'cli/tenantry.mjs'), ...args], {
      cwd: this.home,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.home, ...this.#env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }
}
