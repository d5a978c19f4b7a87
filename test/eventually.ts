/** Returns the first value of `probe` that is neither undefined nor false. Fails at the deadline, with the last error of `probe` as the cause. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = 90_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
