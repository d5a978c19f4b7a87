/** All that the command line touches of its process; passed in, so that nothing else asks for the environment or writes to a stream. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** User the command runs as; undefined where users have no number. */
  readonly uid: number | undefined;
  /** Folder the command was started in. */
  readonly folder: string;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether somebody can be asked: standard input and standard error are a terminal. */
  readonly interactive: boolean;
  /** Whether each stream may have colours. */
  readonly colours: { readonly out: boolean; readonly err: boolean };
  readonly now: () => Date;
  out(text: string): void;
  err(text: string): void;
  /** Asks on standard error and resolves with the line that was typed; a secret one is not shown. */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string>;
  /** All of standard input. */
  input(): Promise<string>;
}
