/** A record that its receiver finds fault with and will never take; all others of the batch it has kept. */
export interface RefusedRecord {
  readonly id: string;
  /** What is wrong with it; nothing of what it says. */
  readonly message: string;
}

/** The receiver will never take these records together. */
export class RecordsRefused extends Error {
  override readonly name = 'RecordsRefused';
}

/** The receiver has had enough for now, and says when to come back. */
export class SendLater extends Error {
  override readonly name = 'SendLater';
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/**
 * Sends records, and finds those that cannot be taken: they hold up no others.
 * @param send Resolves once the receiver has them for good, with those it will never take. Rejects with RecordsRefused when it takes none.
 * @param refused Told of each that will never be taken.
 * @throws what `send` throws besides RecordsRefused; then all may be sent again.
 */
export async function deliver<T extends { readonly id: string }>(
  records: readonly T[],
  send: (records: readonly T[]) => Promise<readonly RefusedRecord[]>,
  refused: (record: T, reason: string) => void,
): Promise<void> {
  try {
    for (const { id, message } of await send(records)) {
      const record = records.find((one) => one.id === id);
      if (record !== undefined) refused(record, message);
    }
  } catch (error) {
    if (!(error instanceof RecordsRefused)) throw error;
    const [only, ...others] = records;
    if (only !== undefined && others.length === 0) {
      refused(only, error.message);
      return;
    }
    const half = Math.ceil(records.length / 2);
    for (const part of [records.slice(0, half), records.slice(half)]) if (part.length > 0) await deliver(part, send, refused);
  }
}
