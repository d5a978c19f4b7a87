/** Appends to a spool whose files may not grow as they need to (`ulimit -f`), and prints the ids it could append: `<folder>`. */
import { newRecordId } from '../../audit/record.ts';
import { Spool, SpoolFull } from '../../audit/spool.ts';

// Without a listener the signal ends the process; with one, writes are cut short and then fail.
process.on('SIGXFSZ', () => {});
const spool = new Spool<{ readonly id: string; readonly text: string }>({ dir: process.argv[2] ?? '', maxBytes: 1 << 20 });
const appended: string[] = [];
try {
  for (;;) {
    const id = newRecordId();
    spool.append({ id, text: 'x'.repeat(300) });
    appended.push(id);
  }
} catch (error) {
  if (!(error instanceof SpoolFull)) throw error;
}
// A smaller one may still fit: what was cut short must not be in its way.
const id = newRecordId();
spool.append({ id, text: '' });
process.stdout.write([...appended, id].join('\n'));
