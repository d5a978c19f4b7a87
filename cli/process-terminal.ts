import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Terminal } from './terminal.ts';

/** The terminal of this process. */
export function processTerminal(signal: AbortSignal): Terminal {
  const { stdin, stdout, stderr, env } = process;
  return {
    env,
    uid: process.getuid?.(),
    folder: process.cwd(),
    signal,
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    colours: { out: mayColour(stdout, env), err: mayColour(stderr, env) },
    now: () => new Date(),
    out: (written) => void stdout.write(written),
    err: (written) => void stderr.write(written),
    ask: (question, { secret = false } = {}) => ask(question, secret, signal),
    input: () => text(stdin),
  };
}

/** https://no-color.org: any value but an empty one. */
function mayColour(stream: { isTTY?: boolean }, { NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !NO_COLOR && TERM !== 'dumb';
}

async function ask(question: string, secret: boolean, signal: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: secret ? silent : process.stderr, terminal: true });
  // In raw mode Ctrl-C is a character: readline reports it, and the process gets no signal.
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  if (secret) process.stderr.write(question);
  try {
    return await reader.question(secret ? '' : question, { signal });
  } finally {
    reader.close();
    if (secret) process.stderr.write('\n');
  }
}
