/**
 * A sidecar as far as the audit goes, until it is killed: makes records, tells each once it is spooled, and sends them.
 * `node control-plane-audit-sender.ts <spool> <told> <url> <token>`; with `drain` after these it only sends what is left, and ends.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { newRecordId, type ToolCallRecord } from '../../audit/record.ts';
import { SpoolSender } from '../../audit/sender.ts';
import { Spool } from '../../audit/spool.ts';

const [dir = '', told = '', url = '', token = '', mode] = process.argv.slice(2);
const spool = new Spool<ToolCallRecord>({ dir, maxBytes: 64 << 20, segmentBytes: 20_000 });
const sender = new SpoolSender<ToolCallRecord>({
  spool,
  lingerMs: 5,
  maxPauseMs: 200,
  send: async (records, signal) => {
    const response = await fetch(`${url}/pods/v1/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ records }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    const answer = (await response.json()) as { refused?: unknown[] };
    if (response.status !== 200 || answer.refused?.length !== 0) throw new Error(`answered ${response.status}`);
  },
  onError: () => {},
});
if (mode === 'drain') {
  const done = new AbortController();
  const running = sender.run(done.signal);
  while (spool.bytes > 0) await delay(20);
  done.abort();
  await running;
} else {
  void sender.run(new AbortController().signal);
  const answers = openSync(told, 'a');
  process.stdout.write('running\n');
  for (;;) {
    const id = newRecordId();
    const time = new Date().toISOString();
    spool.append({ id, time, requestId: id, subject: 'user_1', tool: 'list_items', arguments: {}, durationMs: 1, outcome: 'ok' });
    writeSync(answers, `${id}\n`);
    await delay(2);
  }
}
