import { type Connection, type ConnectionSources, findConnection, requireConnection } from './config/connection.ts';
import { Contexts } from './config/contexts.ts';
import { findLocalMode, type LocalModeSearch } from './config/local-mode.ts';
import { type Format, Printer } from './output/printer.ts';
import { sessionToken } from './session/session-token.ts';
import type { Terminal } from './terminal.ts';

/** One run of a command, with its terminal, printer, contexts and selected control plane. */
export class Invocation {
  readonly terminal: Terminal;
  readonly printer: Printer;
  readonly contexts: Contexts;
  /** Value of `--context`. */
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

  /** The selected control plane; undefined if none is configured. */
  connection(): Connection | undefined {
    return findConnection(this.#sources());
  }

  /** @throws Failure usage if no control plane is configured. */
  requireConnection(): Connection {
    return requireConnection(this.#sources());
  }

  /** The token for requests to a control plane; undefined if the user is not signed in. A `refused` token is refreshed first. */
  token(connection: Connection, refused?: string): Promise<string | undefined> {
    const { now, signal } = this.terminal;
    return sessionToken({ connection, contexts: this.contexts, now, signal, ...(refused === undefined ? {} : { refused }) });
  }

  #sources(): ConnectionSources {
    return { env: this.terminal.env, contexts: this.contexts, wanted: this.wanted, localMode: () => this.localMode() };
  }
}
