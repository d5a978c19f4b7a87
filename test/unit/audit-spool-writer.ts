/** Appends to a spool, and sends from it into a file, as fast as it can until it is killed: `node audit-spool-writer.ts <folder> <told> <sent>`. */
import { appendFileSync, openSync, writeSync } from 'node:fs';
import { newRecordId } from '../../audit/record.ts';
import { Spool } from '../../audit/spool.ts';

const [folder = '', told = '', sent = ''] = process.argv.slice(2);
const spool = new Spool<{ readonly id: string; readonly text: string }>({ dir: folder, maxBytes: 64 << 20, segmentBytes: 20_000 });
const answers = openSync(told, 'a');
const send = async () => {
  for (;;) {
    const batch = await spool.next({ records: 37 });
    if (batch !== undefined) {
      appendFileSync(sent, batch.records.map(({ id }) => `${id}\n`).join(''));
      batch.acknowledge();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
};
void send();
process.stdout.write('running\n');
for (;;) {
  for (let count = 0; count < 20; count += 1) {
    const id = newRecordId();
    spool.append({ id, text: 'x'.repeat(Math.floor(Math.random() * 900)) });
    // The answer to the call: from here on the record must not be lost.
    writeSync(answers, `${id}\n`);
  }
  await new Promise((resolve) => setImmediate(resolve));
}
