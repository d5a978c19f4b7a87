/** The command line's access to its process. It is passed in, so that other code does not read the environment or write to a stream. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** User id of the process; undefined on systems without user ids. */
  readonly uid: number | undefined;
  /** Working folder of the command. */
  readonly folder: string;
  /** Aborts on Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  /** Whether the user can be asked: standard input and standard error are terminals. */
  readonly interactive: boolean;
  /** Whether each stream supports colours. */
  readonly colours: { readonly out: boolean; readonly err: boolean };
  readonly now: () => Date;
  out(text: string): void;
  err(text: string): void;
  /** Asks on standard error and resolves with the typed line. A secret line is not shown. */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string>;
  /** Reads all of standard input. */
  input(): Promise<string>;
}
