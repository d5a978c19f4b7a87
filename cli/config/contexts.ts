import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../failure.ts';

const session = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  /** Origin of WorkOS's API, where the session is refreshed. */
  workosUrl: z.string(),
  clientId: z.string(),
  email: z.string().optional(),
});

const context = z.object({
  /** Base URL of the control plane. */
  url: z.string(),
  session: session.optional(),
});

const file = z.object({ current: z.string().optional(), contexts: z.record(z.string(), context) });

export type Session = Readonly<z.infer<typeof session>>;
export type Context = Readonly<z.infer<typeof context>>;
type File = z.infer<typeof file>;

/**
 * The control planes of a user and the sessions there, in one file that only its owner can read. Every call reads the file again, because
 * another process may have refreshed a session.
 */
export class Contexts {
  readonly path: string;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    const base = env['XDG_CONFIG_HOME'];
    // https://specifications.freedesktop.org/basedir-spec/latest/#variables: a relative path must be ignored.
    this.path = join(base?.startsWith('/') ? base : join(env['HOME'] ?? homedir(), '.config'), 'tenantry', 'config.json');
  }

  get current(): string | undefined {
    return this.#read().current;
  }

  all(): Readonly<Record<string, Context>> {
    return this.#read().contexts;
  }

  find(name: string): Context | undefined {
    return this.#read().contexts[name];
  }

  /** Stores a context and makes it the current one. */
  use(name: string, context: Context): void {
    this.#change((content) => ({ current: name, contexts: { ...content.contexts, [name]: context } }));
  }

  select(name: string): void {
    this.#change((content) => ({ ...content, current: name }));
  }

  /** Replaces the session of a context; undefined removes it. */
  keepSession(name: string, next: Session | undefined): void {
    this.#change((content) => {
      const { url } = content.contexts[name] ?? {};
      if (url === undefined) return content;
      return { ...content, contexts: { ...content.contexts, [name]: { url, ...(next === undefined ? {} : { session: next }) } } };
    });
  }

  remove(name: string): void {
    this.#change(({ current, contexts }) => {
      const { [name]: _removed, ...rest } = contexts;
      return { ...(current === name || current === undefined ? {} : { current }), contexts: rest };
    });
  }

  #read(): File {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { contexts: {} };
      throw new Failure('failed', `${this.path} cannot be read: ${(error as Error).message}`);
    }
    const parsed = file.safeParse(parseJson(text));
    if (!parsed.success)
      throw new Failure('failed', `${this.path} is not what tenantry writes.`, { remedy: 'Move it away and run: tenantry login <url>' });
    return parsed.data;
  }

  #change(change: (content: File) => File): void {
    const content = change(this.#read());
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const temporary = `${this.path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, this.path);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
