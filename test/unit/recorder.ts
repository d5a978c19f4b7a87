import type { Terminal } from '../../cli/terminal.ts';

/** A terminal that keeps what is written. */
export function recorder(env: Record<string, string> = {}, colours = { out: false, err: false }) {
  const written = { out: '', err: '' };
  const terminal: Terminal = {
    env: { HOME: '/nonexistent', ...env },
    uid: undefined,
    folder: '/nonexistent',
    signal: new AbortController().signal,
    interactive: false,
    colours,
    now: () => new Date('2026-11-21T12:00:00Z'),
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    ask: () => Promise.reject(new Error('nobody is there')),
    input: async () => '',
  };
  return { terminal, written };
}
