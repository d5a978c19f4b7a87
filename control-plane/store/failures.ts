/** Codes of Node and PostgreSQL for a server that is away, starting, stopping, full or too slow: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const codes =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08...|57P0[1-5]|57014|53...|25006|55P03|40001|40P01)$/;

/** Messages of driver errors without a code. */
const messages =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error/i;

/** Codes of a database whose tables do not exist yet. */
const unready = /^(42P01|3D000)$/;

/** Whether the database refused a value, so that a repetition does not help. */
export function isDataRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^22...$/.test(String(error.code));
}

/** Whether the statement failed because the database is unavailable, so that a later repetition may succeed. */
export function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return codes.test(code) || unready.test(code) || messages.test(error.message);
}
