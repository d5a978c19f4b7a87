import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { genesis, hashOf } from '../../audit/chain.ts';
import { verifyExport } from '../../audit/export.ts';
import type { ExportLine } from '../../audit/export-lines.ts';
import { canonicalJson } from '../../audit/json.ts';
import type { AuditRecord } from '../../audit/record.ts';
import { SigningKey, TrustedKeys } from '../../audit/signing-keys.ts';
import { isSignedHead, signEnd, signHead } from '../../audit/statements.ts';

const pair = () => generateKeyPairSync('ed25519');
const privatePem = (key: ReturnType<typeof pair>) => key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = (key: ReturnType<typeof pair>) => key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const head = {
  chain: 'platform',
  month: '2026-11',
  sequence: 3,
  hash: 'ab'.repeat(32),
  final: false,
  signedAt: '2026-11-21T14:00:00.000Z',
};

describe('a signing key', () => {
  test('has its RFC 7638 thumbprint as id', () => {
    const key = pair();
    const { x } = key.publicKey.export({ format: 'jwk' });
    const thumbprint = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
    const signing = new SigningKey(privatePem(key));
    expect(signing.id).toBe(thumbprint);
    expect(signing.trusted.all).toEqual([{ kty: 'OKP', crv: 'Ed25519', x, kid: thumbprint, alg: 'EdDSA', use: 'sig' }]);
    expect(JSON.stringify(signing)).not.toContain('PRIVATE');
  });

  test('stays trusted after its replacement while its public key is in the file', () => {
    const [before, now] = [pair(), pair()];
    const old = signHead(new SigningKey(privatePem(before)), head);
    const replaced = new SigningKey(`${privatePem(now)}\n${publicPem(before)}`);
    expect(isSignedHead(replaced.trusted, old)).toBe(true);
    expect(signHead(replaced, head).keyId).toBe(replaced.id);
    expect(replaced.trusted.all.length).toBe(2);
    expect(isSignedHead(new SigningKey(privatePem(now)).trusted, old)).toBe(false);
  });

  test('of another kind is refused, and the error does not contain it', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    for (const pem of ['', 'nonsense', rsa, publicPem(pair()), `${privatePem(pair())}\n${rsa}`]) {
      expect(() => new SigningKey(pem)).toThrow(/^must contain an Ed25519 private key/);
    }
    const [{ x, ...rest } = { x: '' }] = new SigningKey(privatePem(pair())).trusted.all;
    const [other] = new SigningKey(privatePem(pair())).trusted.all;
    expect(() => new TrustedKeys([{ ...rest, x: other?.x }])).toThrow('is not the thumbprint');
  });
});

describe('a signed head', () => {
  const key = pair();
  const signing = new SigningKey(privatePem(key));

  test('is an Ed25519 signature over canonical JSON, as documented', () => {
    const { signature, ...signed } = signHead(signing, head);
    const statement = canonicalJson({ type: 'tenantry-audit-head/v1', ...head, keyId: signing.id });
    expect(statement.startsWith('{"chain":"platform","final":false,"hash":"abab')).toBe(true);
    expect(verify(null, Buffer.from(statement), createPublicKey(publicPem(key)), Buffer.from(signature, 'base64url'))).toBe(true);
    expect(signed).toEqual({ ...head, keyId: signing.id });
  });

  test.each([
    ['chain', 'other'],
    ['month', '2026-12'],
    ['sequence', 4],
    ['hash', 'cd'.repeat(32)],
    ['final', true],
    ['signedAt', '2026-11-21T15:00:00.000Z'],
  ])('does not stand with another %s', (member, value) => {
    const signed = signHead(signing, head);
    expect(isSignedHead(signing.trusted, signed)).toBe(true);
    expect(isSignedHead(signing.trusted, { ...signed, [member]: value })).toBe(false);
  });
});

describe('an export', () => {
  const signing = new SigningKey(privatePem(pair()));
  const record: AuditRecord = {
    id: '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    kind: 'admin',
    time: '2026-11-21T14:00:00.000Z',
    received: '2026-11-21T14:00:00.001Z',
    actor: 'user_1',
    action: 'templates.apply',
    outcome: 'ok',
    details: {},
  };

  /** A chain of two records, the way its description says and no code of ours. */
  function lines(): ExportLine[] {
    const month = '2026-11';
    const place = { chain: 'platform', month };
    const first = { ...place, sequence: 1, previous: genesis, record };
    const text = `{"chain":"platform","month":"2026-11","previous":"${genesis}","record":{"action":"templates.apply","actor":"user_1","details":{},"id":"${record.id}","kind":"admin","outcome":"ok","received":"${record.received}","time":"${record.time}"},"sequence":1}`;
    const hash = createHash('sha256').update(text).digest('hex');
    expect(hashOf(first)).toBe(hash);
    const second = { ...place, sequence: 2, previous: hash, record: { ...record, id: '017f22e2-79b0-7cc3-98c4-dc0c0c073990' } };
    return [
      { type: 'export', version: 1, time: '2026-11-21T15:00:00.000Z', scope: {} },
      ...signing.trusted.all.map((key) => ({ type: 'key' as const, ...key })),
      { type: 'chain', chain: 'platform', beginning: true },
      { type: 'month', chain: 'platform', month, begun: false },
      { type: 'head', ...signHead(signing, { ...place, sequence: 2, hash: hashOf(second), final: false, signedAt: record.received }) },
      { type: 'record', ...first, hash },
      { type: 'record', ...second, hash: hashOf(second) },
    ];
  }

  /** As a file, with its end, which is signed over all lines before. */
  function file(given: readonly ExportLine[], key = signing): string[] {
    const before = given.map((line) => JSON.stringify(line));
    const sha256 = createHash('sha256')
      .update(before.map((line) => `${line}\n`).join(''))
      .digest('hex');
    const records = given.filter(({ type }) => type === 'record').length;
    return [...before, JSON.stringify({ type: 'end', ...signEnd(key, { records, sha256 }) })];
  }

  const verdictOf = (given: readonly ExportLine[], trust = {}) => verifyExport(file(given), trust);

  test('is intact when nothing was changed', async () => {
    expect(await verdictOf(lines())).toEqual({
      verdict: 'intact',
      ok: true,
      whole: true,
      signed: true,
      scope: {},
      records: 2,
      months: [{ chain: 'platform', month: '2026-11', state: 'intact', records: 2, signedThrough: 2, closed: false }],
      keys: [signing.id],
    });
  });

  test('without its beginning does not pass for a complete chain', async () => {
    const whole = lines();
    const cut = whole.filter((line) => !(line.type === 'record' && line.sequence === 1));
    expect((await verdictOf(cut)).ok).toBe(false);
    const other = whole.map((line) => (line.type === 'record' && line.sequence === 1 ? { ...line, previous: 'ab'.repeat(32) } : line));
    expect((await verdictOf(other)).months[0]?.fault).toMatchObject({ kind: 'changed', sequence: 1 });
  });

  test('with other keys is broken for a verifier with kept keys', async () => {
    const kept = new SigningKey(privatePem(pair())).trusted.all;
    expect((await verdictOf(lines(), { keys: kept })).months[0]?.fault).toMatchObject({ kind: 'unknown-key', sequence: 2 });
  });

  test('with a line that cannot be read names the line', async () => {
    expect(await verifyExport(['nonsense'])).toMatchObject({ ok: false, whole: false, unreadable: { line: 1 } });
    expect(await verifyExport([])).toMatchObject({ ok: false, whole: false, records: 0 });
    expect(await verifyExport([...file(lines()), ...file(lines())])).toMatchObject({ ok: false, unreadable: { line: 9 } });
    const stray = lines().filter(({ type }) => type !== 'chain');
    expect(await verdictOf(stray)).toMatchObject({ ok: false, unreadable: { detail: 'the month belongs to no chain' } });
    const unsigned = lines().map((line) => (line.type === 'head' ? { ...line, signature: 1 as unknown as string } : line));
    expect((await verdictOf(unsigned)).months[0]?.fault?.kind).toBe('signature');
    expect(await verdictOf([{ type: 'export', version: 2 as 1, time: '', scope: {} }])).toMatchObject({
      ok: false,
      unreadable: { line: 1 },
    });
  });
});
