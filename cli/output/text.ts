/**
 * Makes untrusted text safe to print as one line. Names, messages and log lines may contain escape sequences, which could move the cursor
 * or worse.
 */
export function oneLine(value: unknown): string {
  return String(value ?? '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ')
    .trim();
}

/** Age in the format of kubectl: 45s, 12m, 3h, 5d. */
export function ago(time: string | undefined, now: Date): string {
  if (time === undefined) return '';
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return '';
  return spanOf(seconds);
}

/** Formats a number of seconds in its largest unit. */
export function spanOf(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
