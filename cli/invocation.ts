import { type Connection, type ConnectionSources, findConnection, requireConnection } from './config/connection.ts';
import { Contexts } from './config/contexts.ts';
import { findLocalMode, type LocalModeSearch } from './config/local-mode.ts';
import { type Format, Printer } from './output/printer.ts';
import { sessionToken } from './session/session-token.ts';
import type { Terminal } from './terminal.ts';

/** One command line that was typed, and what its command works with: terminal, printer, contexts, and the control plane that was chosen. */
export class Invocation {
  readonly terminal: Terminal;
  readonly printer: Printer;
  readonly contexts: Contexts;
  /** Context that was asked for by `--context`. */
  readonly wanted: string | undefined;

  constructor(terminal: Terminal, options: { readonly output?: Format; readonly context?: string }) {
    this.terminal = terminal;
    this.printer = new Printer(terminal, options.output ?? 'table');
    this.contexts = new Contexts(terminal.env);
    this.wanted = options.context;
  }

  localMode(): LocalModeSearch {
    return findLocalMode(this.terminal.folder, this.terminal.uid);
  }

  /** The control plane, where one is configured. */
  connection(): Connection | undefined {
    return findConnection(this.#sources());
  }

  /** @throws Failure usage where none is configured. */
  requireConnection(): Connection {
    return requireConnection(this.#sources());
  }

  /** The token for requests to a control plane, another one than `refused`; undefined where nobody is signed in there. */
  token(connection: Connection, refused?: string): Promise<string | undefined> {
    const { now, signal } = this.terminal;
    return sessionToken({ connection, contexts: this.contexts, now, signal, ...(refused === undefined ? {} : { refused }) });
  }

  #sources(): ConnectionSources {
    return { env: this.terminal.env, contexts: this.contexts, wanted: this.wanted, localMode: () => this.localMode() };
  }
}
