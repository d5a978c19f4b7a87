/**
 * A sidecar as far as the audit goes, until it is killed: makes records, tells each once it is spooled, and sends them.
 * `node sender.ts <spool> <told> <url> <token>`; with `drain` after these it only sends what is left, and ends.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Outbox } from '../../../../audit/outbox.ts';
import { newRecordId, type ToolCallRecord } from '../../../../audit/record.ts';

const [dir = '', told = '', url = '', token = '', mode] = process.argv.slice(2);
const outbox = new Outbox<ToolCallRecord>({
  dir,
  segmentBytes: 20_000,
  now: Date.now,
  log: { warn: () => {}, error: () => {} },
  lingerMs: 5,
  maxDelayMs: 200,
  send: async (records, signal) => {
    const response = await fetch(`${url}/pods/v1/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ records }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    const answer = (await response.json()) as { refused?: unknown[] };
    if (response.status !== 200 || answer.refused?.length !== 0) throw new Error(`answered ${response.status}`);
    return [];
  },
});
if (mode === 'drain') {
  const done = new AbortController();
  const running = outbox.run(done.signal);
  while (outbox.bytes > 0) await delay(20);
  done.abort();
  await running;
} else {
  void outbox.run(new AbortController().signal);
  const answers = openSync(told, 'a');
  process.stdout.write('running\n');
  for (;;) {
    const id = newRecordId();
    const time = new Date().toISOString();
    outbox.append({ id, time, requestId: id, subject: 'user_1', tool: 'list_items', arguments: {}, durationMs: 1, outcome: 'ok' });
    writeSync(answers, `${id}\n`);
    await delay(2);
  }
}
