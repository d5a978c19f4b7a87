import type { Outcome } from './exit-codes.ts';

/** A failure of a command, with texts for its user. The exit code is not 0. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly outcome: Exclude<Outcome, 'ok'>;
  /** One line for each fault. */
  readonly details: readonly string[];
  /** How to fix it. */
  readonly remedy: string | undefined;

  constructor(
    outcome: Failure['outcome'],
    message: string,
    options: { details?: readonly string[]; remedy?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.outcome = outcome;
    this.details = options.details ?? [];
    this.remedy = options.remedy;
  }
}

/** Ends a command with an exit code other than 0 and prints no further message. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly outcome: Exclude<Outcome, 'ok'>;

  constructor(outcome: Ended['outcome']) {
    super(outcome);
    this.outcome = outcome;
  }
}
