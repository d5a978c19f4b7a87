import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { admit } from '../../../../templates/api-kit/admission.ts';
import { AssertionVerifier } from '../../../../templates/api-kit/assertion-verifier.ts';
import type { Operation } from '../../../../templates/api-kit/operation.ts';
import { AssertionSigner } from '../../../../templates/sidecar/auth/assertion-signer.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-assertion-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const caller = { subject: 'user_1', organization: 'org_1', scopes: ['mcp', 'tasks'] };
let serial = 0;

/** A sidecar and its API, whose clocks differ by `seconds`. */
async function pair({ seconds = 0, signerUid = 'uid' } = {}) {
  const jwksFile = join(dir, String(serial++), 'jwks.json');
  const now = Date.parse('2026-01-01T00:00:00.900Z');
  const signer = await AssertionSigner.create(signerUid, () => now);
  await signer.publish(jwksFile);
  const verifier = new AssertionVerifier({ jwksFile, tenantUid: 'uid', clock: () => new Date(now + seconds * 1000) });
  return { jwksFile, signer, verifier };
}

describe('an assertion', () => {
  it('carries the caller from the sidecar to the API', async () => {
    const { signer, verifier } = await pair();
    expect(await verifier.verify(`Bearer ${signer.sign(caller, 'r1')}`)).toEqual(caller);
    expect(await verifier.verify(`bearer ${signer.sign({ subject: 'key:1', scopes: [] }, 'r1')}`)).toStrictEqual({
      subject: 'key:1',
      scopes: [],
    });
  });

  it.each([
    [59, true],
    [60, false],
  ])('is valid after %i seconds: %s', async (seconds, valid) => {
    const { signer, verifier } = await pair({ seconds });
    const verified = verifier.verify(`Bearer ${signer.sign(caller, 'r1')}`);
    await (valid ? expect(verified).resolves.toEqual(caller) : expect(verified).rejects.toMatchObject({ status: 401 }));
  });

  it.each([undefined, '', 'Bearer', 'Bearer a.b', 'Basic a.b.c', 'Bearer a.b.c.d'])('is missing in the header %j', async (header) => {
    const { verifier } = await pair();
    await expect(verifier.verify(header)).rejects.toMatchObject({
      status: 401,
      message: expect.stringContaining('called through the MCP sidecar'),
      headers: { 'www-authenticate': 'Bearer' },
    });
  });

  it('for another tenant, without a subject or of another key is refused', async () => {
    const foreign = await pair({ signerUid: 'other' });
    await expect(foreign.verifier.verify(`Bearer ${foreign.signer.sign(caller, 'r1')}`)).rejects.toThrow('for another tenant');
    const { signer, verifier } = await pair();
    await expect(verifier.verify(`Bearer ${signer.sign({ ...caller, subject: '' }, 'r1')}`)).rejects.toThrow('names no subject');
    await expect(verifier.verify(`Bearer ${foreign.signer.sign(caller, 'r1')}`)).rejects.toThrow('The assertion is not valid');
  });

  it('of a restarted sidecar is verified with its new key', async () => {
    const { jwksFile, signer, verifier } = await pair();
    await verifier.verify(`Bearer ${signer.sign(caller, 'r1')}`);
    const restarted = await AssertionSigner.create('uid', () => Date.parse('2026-01-01T00:00:00Z'));
    await restarted.publish(jwksFile);
    expect(await verifier.verify(`Bearer ${restarted.sign(caller, 'r1')}`)).toEqual(caller);
  });

  it('cannot be verified before the sidecar has written its keys', async () => {
    const { jwksFile, signer, verifier } = await pair();
    writeFileSync(jwksFile, '{');
    await expect(verifier.verify(`Bearer ${signer.sign(caller, 'r1')}`)).rejects.toThrow('has not written its keys yet');
  });
});

describe('an operation', () => {
  it.each<[string[], string, boolean]>([
    [['mcp'], 'POST', true],
    [['api'], 'DELETE', true],
    [['mcp:read'], 'GET', true],
    [['api:read', 'mcp'], 'POST', true],
    [['mcp:read'], 'POST', false],
    [['api:read'], 'DELETE', false],
    [['probe'], 'GET', false],
    [[], 'GET', false],
  ])('with the scopes %j and the method %s is allowed: %s', (scopes, method, allowed) => {
    const run = () => admit({ subject: 'user_1', scopes }, { method } as Operation);
    if (allowed) expect(run).not.toThrow();
    else expect(run).toThrow(expect.objectContaining({ status: 403 }));
  });
});
