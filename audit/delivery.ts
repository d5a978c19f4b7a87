/** A record that the receiver refused for good. It stored all others of the batch. */
export interface RefusedRecord {
  readonly id: string;
  /** The fault, without any content of the record. */
  readonly message: string;
}

/** The receiver refused the batch as a whole and will refuse it again. */
export class RecordsRefused extends Error {
  override readonly name = 'RecordsRefused';
}

/** The receiver is overloaded and accepts records again after a delay. */
export class SendLater extends Error {
  override readonly name = 'SendLater';
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** The control plane's answer to a batch of records. */
export interface BatchAnswer {
  readonly status: number;
  readonly retryAfter: string | null | undefined;
  readonly text: string;
}

const refusals = new Set([400, 413, 422]);
const defaultRetryMs = 5_000;

/**
 * Reads the control plane's answer to a batch.
 * @returns the records that it refused; it stored all others.
 * @throws {RecordsRefused} for a batch refused as a whole; {SendLater} for 429; Error for any other answer.
 */
export function refusedIn({ status, retryAfter, text }: BatchAnswer): readonly RefusedRecord[] {
  const message = `the control plane answered ${status}`;
  if (refusals.has(status)) throw new RecordsRefused(message);
  if (status === 429) {
    const seconds = Number(retryAfter);
    throw new SendLater(message, Number.isInteger(seconds) && seconds > 0 ? seconds * 1000 : defaultRetryMs);
  }
  if (status !== 200) throw new Error(message);
  let receipt: unknown;
  try {
    receipt = JSON.parse(text);
  } catch {
    throw new Error('the control plane did not answer with JSON');
  }
  const refused = (receipt as { refused?: unknown } | null)?.refused;
  return Array.isArray(refused) ? refused : [];
}

/**
 * Sends records. Splits a refused batch in halves until the records at fault are found, so that they block no other record.
 * @param send Resolves, with the refused records, once the receiver has stored all others. Rejects with RecordsRefused when it stored none.
 * @param onRefused Called for each refused record.
 * @throws any other error of `send`; all records may then be sent again.
 */
export async function deliver<T extends { readonly id: string }>(
  records: readonly T[],
  send: (records: readonly T[]) => Promise<readonly RefusedRecord[]>,
  onRefused: (record: T, reason: string) => void,
): Promise<void> {
  try {
    for (const { id, message } of await send(records)) {
      const record = records.find((one) => one.id === id);
      if (record !== undefined) onRefused(record, message);
    }
  } catch (error) {
    if (!(error instanceof RecordsRefused)) throw error;
    const [only, ...others] = records;
    if (only !== undefined && others.length === 0) {
      onRefused(only, error.message);
      return;
    }
    const half = Math.ceil(records.length / 2);
    for (const part of [records.slice(0, half), records.slice(half)]) if (part.length > 0) await deliver(part, send, onRefused);
  }
}
