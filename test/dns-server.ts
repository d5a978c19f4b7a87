import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A DNS server on loopback that knows TXT records alone, one file each in `folder`: its name is the record's, each line one text. A test
 * enters a record as one does at a DNS provider, by writing it; the text SERVFAIL makes the server fail. https://www.rfc-editor.org/rfc/rfc1035#section-4
 */
export async function startDnsServer(folder: string): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const answer = answerTo(query, folder);
    if (answer) socket.send(answer, port, address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', resolve);
  });
  return { address: `127.0.0.1:${socket.address().port}`, stop: () => new Promise((resolve) => socket.close(() => resolve())) };
}

const txt = 16;
const headerBytes = 12;

function answerTo(query: Buffer, folder: string): Buffer | undefined {
  if (query.length < headerBytes + 5) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(headerBytes, at + 5);
  const texts = query.readUInt16BE(at + 1) === txt ? recordsIn(folder, labels.join('.').toLowerCase()) : [];
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  // An authoritative answer; NXDOMAIN where there is no such name.
  header.writeUInt16BE(0x8400 | (query.readUInt16BE(2) & 0x0100) | responseCode(texts), 2);
  header.writeUInt16BE(1, 4);
  const records = responseCode(texts) === 0 ? (texts ?? []).map(recordOf) : [];
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

const responseCode = (texts: readonly string[] | undefined): number => (texts === undefined ? 3 : texts.includes('SERVFAIL') ? 2 : 0);

/** The question's name by reference, type, class IN, no time to live, and the text in pieces of 255 bytes. */
function recordOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const piece = bytes.subarray(at, at + 255);
    pieces.push(Buffer.from([piece.length]), piece);
  }
  const data = Buffer.concat(pieces);
  const head = Buffer.from([0xc0, headerBytes, 0, txt, 0, 1, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function recordsIn(folder: string, name: string): string[] | undefined {
  if (!/^[-a-z0-9_.]+$/.test(name)) return undefined;
  try {
    return readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return undefined;
  }
}
