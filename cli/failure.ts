import type { Outcome } from './exit-codes.ts';

/** Why a command ends with something else than 0, in words for whoever typed it. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly outcome: Exclude<Outcome, 'ok'>;
  /** One line for each fault. */
  readonly details: readonly string[];
  /** What to do. */
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

/** A command that did its work and ends with something else than 0; all there is to say has been said. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly outcome: Exclude<Outcome, 'ok'>;

  constructor(outcome: Ended['outcome']) {
    super(outcome);
    this.outcome = outcome;
  }
}
