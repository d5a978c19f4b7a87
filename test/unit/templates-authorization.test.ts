import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { describe, expect, it } from 'vitest';
import { accessAt, type Door, isOwnScope } from '../../templates/runtime/access.ts';
import { ControlPlaneUnavailable } from '../../templates/runtime/mcp/control-plane.ts';
import { type Membership, Memberships, memberMs, nonMemberMs, renewalMs } from '../../templates/runtime/mcp/memberships.ts';
import { upstreamPath } from '../../templates/runtime/mcp/public-api.ts';
import { Refusal } from '../../templates/runtime/mcp/refusal.ts';
import { RequestGuard } from '../../templates/runtime/mcp/request-guard.ts';
import { metadataUrlOf } from '../../templates/runtime/mcp/resource-metadata.ts';
import { SigningKeys } from '../../templates/runtime/mcp/signing-keys.ts';
import { recheckMs, WatchedFile } from '../../templates/runtime/mcp/watched-file.ts';

/** A clock that moves when it is told to. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

describe('memberships', () => {
  const yes: Membership = { member: true, access: 'all', role: 'member' };

  /** A control plane of one answer, asked with a clock that moves when it is told to. */
  function world(draw = 0.999) {
    const { now, pass } = clock();
    const state = { answer: yes as Membership, away: false, asked: 0 };
    const ask = async () => {
      state.asked++;
      if (state.away) throw new ControlPlaneUnavailable('away', 1);
      return state.answer;
    };
    const memberships = new Memberships({ ask, now, random: () => draw });
    return { state, pass, memberships, of: () => memberships.of('ada') };
  }

  it('remember a yes for 30 seconds and a no for 5', async () => {
    const { state, pass, of } = world();
    expect(await of()).toEqual(yes);
    state.away = true;
    pass(memberMs - 1);
    expect(await of()).toEqual(yes);
    pass(1);
    await expect(of()).rejects.toThrow(ControlPlaneUnavailable);
    state.away = false;
    state.answer = { member: false };
    expect(await of()).toEqual({ member: false });
    state.answer = yes;
    pass(nonMemberMs - 1);
    expect(await of()).toEqual({ member: false });
    pass(1);
    expect(await of()).toEqual(yes);
    expect([memberMs, nonMemberMs]).toEqual([30_000, 5_000]);
  });

  it('remember what a role allows with the yes, and a role that allows nothing as a no', async () => {
    const { state, pass, of } = world();
    state.answer = { member: true, access: 'read', role: 'viewer' };
    expect(await of()).toEqual(state.answer);
    state.answer = { member: true, access: 'none', role: 'guest' };
    pass(memberMs - 1);
    expect(await of()).toMatchObject({ access: 'read' });
    pass(1);
    expect(await of()).toMatchObject({ access: 'none' });
    state.answer = yes;
    pass(nonMemberMs);
    expect(await of()).toEqual(yes);
  });

  it('count the age of an answer from the question', async () => {
    const { now, pass } = clock();
    let asked = 0;
    const ask = async () => {
      asked++;
      pass(4000);
      return yes;
    };
    const memberships = new Memberships({ ask, now, random: () => 0.999 });
    await memberships.of('ada');
    pass(memberMs - 4000);
    await memberships.of('ada');
    expect(asked).toBe(2);
  });

  it('renew a yes that is used, before it ends, and are quick about a no', async () => {
    const { state, pass, of } = world(0);
    await of();
    pass(renewalMs - 1);
    await of();
    expect(state.asked).toBe(1);
    pass(1);
    state.answer = { member: false };
    expect(await of()).toEqual(yes);
    expect(state.asked).toBe(2);
    await expect.poll(of).toEqual({ member: false });
  });

  it('let a yes live out its time when it cannot be renewed, and ask once a second at most', async () => {
    const { state, pass, of } = world(0);
    await of();
    state.away = true;
    for (let time = 0; time < memberMs - 100; time += 100) {
      expect(await of()).toEqual(yes);
      await new Promise(setImmediate);
      pass(100);
    }
    expect(state.asked).toBeLessThanOrEqual(1 + (memberMs - renewalMs) / 1000);
    pass(100);
    await expect(of()).rejects.toThrow(ControlPlaneUnavailable);
  });

  it('ask for ten thousand users who came at once over half the time, not in one moment', async () => {
    const { now, pass } = clock();
    const asks: number[] = [];
    let draw = 0;
    const ask = async () => {
      asks.push(now());
      return yes;
    };
    const memberships = new Memberships({ ask, now, random: () => (draw = (draw + 0.6180339887) % 0.98) });
    const users = Array.from({ length: 10_000 }, (_, n) => `user_${n}`);
    await Promise.all(users.map((user) => memberships.of(user)));
    asks.length = 0;
    for (let time = 0; time < memberMs; time += 250) {
      await Promise.all(users.map((user) => memberships.of(user)));
      pass(250);
    }
    expect(asks).toHaveLength(10_000);
    const bySecond = Map.groupBy(asks, (time) => Math.floor(time / 1000));
    expect(Math.max(...[...bySecond.values()].map((times) => times.length))).toBeLessThan(1000);
  });

  it('ask once for many requests at a time, and remember no failure', async () => {
    const { state, of } = world();
    state.away = true;
    const answers = await Promise.allSettled([1, 2, 3].map(of));
    expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(state.asked).toBe(1);
    state.away = false;
    expect(await of()).toEqual(yes);
  });
});

describe('scopes', () => {
  it.each<[Door, string[], string]>([
    ['mcp', ['mcp'], 'all'],
    ['mcp', ['mcp:read'], 'read'],
    ['mcp', ['mcp:read', 'mcp'], 'all'],
    ['mcp', ['api'], 'none'],
    ['mcp', ['probe', 'mcp:write', 'mcp:', 'MCP'], 'none'],
    ['api', ['api:read', 'mcp'], 'read'],
    ['api', [], 'none'],
  ])('at %s, %j allow %s', (door, scopes, access) => {
    expect(accessAt(door, scopes)).toBe(access);
  });

  it('of an authorization server that sound like ours count for nothing', () => {
    for (const scope of ['mcp', 'mcp:read', 'api', 'api:read', 'api:anything', 'probe']) expect(isOwnScope(scope), scope).toBe(true);
    for (const scope of ['openid', 'email', 'apis', 'my:api']) expect(isOwnScope(scope), scope).toBe(false);
  });
});

describe('signing keys', () => {
  async function keySet(kid: string): Promise<JSONWebKeySet> {
    return { keys: [{ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid, alg: 'ES256' }] };
  }
  const token = { payload: '', signature: '' };

  it('are used as long as the control plane allows and not a moment longer', async () => {
    const { now, pass } = clock();
    let away = false;
    let fetched = 0;
    const jwks = await keySet('a');
    const keys = new SigningKeys({
      now,
      fetch: async () => {
        fetched++;
        if (away) throw new ControlPlaneUnavailable('away', 5);
        return { jwks, maxAgeSeconds: 300 };
      },
    });
    const find = () => keys.find({ alg: 'ES256', kid: 'a' }, token);
    await find();
    away = true;
    pass(299_999);
    await find();
    expect(fetched).toBe(1);
    pass(1);
    await expect(find()).rejects.toThrow(ControlPlaneUnavailable);
  });

  it('are fetched again for an unknown key id, at most every ten seconds', async () => {
    const { now, pass } = clock();
    let jwks = await keySet('a');
    let fetched = 0;
    const keys = new SigningKeys({
      now,
      fetch: async () => {
        fetched++;
        return { jwks, maxAgeSeconds: 300 };
      },
    });
    const find = (kid: string) => keys.find({ alg: 'ES256', kid }, token);
    await find('a');
    jwks = await keySet('b');
    await expect(find('b')).rejects.toThrow(/no applicable key/);
    expect(fetched).toBe(1);
    pass(10_000);
    await find('b');
    expect(fetched).toBe(2);
    await expect(find('c')).rejects.toThrow(/no applicable key/);
    expect(fetched).toBe(2);
  });
});

describe('a watched file', () => {
  it('is read again when it changes, also behind a symbolic link, and is not trusted when it is gone', async () => {
    const { now, pass } = clock();
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-watched-'));
    // As Kubernetes mounts a Secret: the name is a link whose target is swapped.
    await writeFile(join(folder, 'one'), '1');
    await writeFile(join(folder, 'two'), '2');
    await symlink(join(folder, 'one'), join(folder, 'file'));
    let parsed = 0;
    const file = new WatchedFile(
      join(folder, 'file'),
      (text) => {
        parsed++;
        if (text === 'broken') throw new Error('broken');
        return Number(text);
      },
      now,
    );
    expect(await file.current()).toBe(1);
    pass(recheckMs);
    expect(await file.current()).toBe(1);
    expect(parsed).toBe(1);
    await symlink(join(folder, 'two'), join(folder, 'new'));
    await rename(join(folder, 'new'), join(folder, 'file'));
    expect(await file.current()).toBe(1);
    pass(recheckMs);
    expect(await file.current()).toBe(2);
    await writeFile(join(folder, 'two'), 'broken');
    pass(recheckMs);
    await expect(file.current()).rejects.toThrow('broken');
    await rm(join(folder, 'file'));
    pass(recheckMs);
    await expect(file.current()).rejects.toThrow(/ENOENT/);
    await writeFile(join(folder, 'file'), '3');
    pass(recheckMs);
    expect(await file.current()).toBe(3);
    await rm(folder, { recursive: true });
  });
});

describe('the guard against other pages', () => {
  const local = new RequestGuard([new URL('http://localhost:8080/t/acme/mcp')], '127.9.8.7');
  const remote = new RequestGuard([new URL('https://mcp.acme.example/mcp')], '10.0.0.7');
  const reasonOf = (guard: RequestGuard, headers: Record<string, string>) => {
    try {
      guard.check(headers);
      return 'served';
    } catch (error) {
      return error instanceof Refusal ? error.reason : error;
    }
  };

  it.each([
    [local, { host: 'localhost:8080' }, 'served'],
    [local, { host: '127.0.0.1:8080' }, 'served'],
    [local, { host: '[::1]:8080' }, 'served'],
    [local, { host: '127.9.8.7:8001' }, 'served'],
    [local, { host: 'LOCALHOST' }, 'served'],
    [local, { host: 'localhost.evil.example' }, 'host'],
    [local, { host: 'evil.example' }, 'host'],
    [local, { host: 'localhost@evil.example' }, 'host'],
    [local, {}, 'host'],
    [local, { host: 'localhost:8080', origin: 'http://localhost:8080' }, 'served'],
    [local, { host: 'localhost:8080', origin: 'http://127.0.0.1:6274' }, 'served'],
    [local, { host: 'localhost:8080', origin: 'https://evil.example' }, 'origin'],
    [local, { host: 'localhost:8080', origin: 'null' }, 'origin'],
    [local, { host: 'localhost:8080', origin: '' }, 'origin'],
    [remote, { host: 'mcp.acme.example' }, 'served'],
    [remote, { host: '10.0.0.7:8001' }, 'served'],
    [remote, { host: 'localhost' }, 'host'],
    [remote, { host: 'mcp.acme.example', origin: 'https://mcp.acme.example' }, 'served'],
    [remote, { host: 'mcp.acme.example', origin: 'http://mcp.acme.example' }, 'origin'],
    [remote, { host: 'mcp.acme.example', origin: 'http://localhost:3000' }, 'origin'],
  ])('%#: %j is %s', (guard, headers, expected) => {
    expect(reasonOf(guard, headers as Record<string, string>)).toBe(expected);
  });
});

describe('paths of the public API', () => {
  it.each([
    ['/t/a/api/v1/notes', '/v1/notes'],
    ['/t/a/api/v1/notes/', '/v1/notes/'],
    ['/t/a/api/metrics-of-sales', '/metrics-of-sales'],
    ['/t/a/api/v1/metrics', '/v1/metrics'],
    ['/t/a/api/a%20b', '/a%20b'],
    ['/t/a/api/metrics', undefined],
    ['/t/a/api/Healthz/x', undefined],
    ['/t/a/api/%72eadyz', undefined],
    ['/t/a/api/metrics%3fx', undefined],
    ['/t/a/api/..', undefined],
    ['/t/a/api/a/%2e./b', undefined],
    ['/t/a/api/a%2Fb', undefined],
    ['/t/a/api//a', undefined],
    ['/t/a/api/a\\b', undefined],
    ['/t/a/apix/a', undefined],
  ])('%s leads to %s', (path, expected) => {
    expect(upstreamPath(path, '/t/a/api')).toBe(expected);
  });
});

it('metadata stands where RFC 9728 puts it', () => {
  expect(metadataUrlOf(new URL('http://localhost:8080/t/acme/mcp')).href).toBe(
    'http://localhost:8080/.well-known/oauth-protected-resource/t/acme/mcp',
  );
  expect(metadataUrlOf(new URL('https://acme.example')).href).toBe('https://acme.example/.well-known/oauth-protected-resource');
});

it('a challenge cannot be broken by what it says', () => {
  const challenge = new Refusal('invalid_token', 'bad "token" \\').challenge('https://a.example/m');
  expect(challenge).toBe(`Bearer error="invalid_token", error_description="bad 'token' '", resource_metadata="https://a.example/m"`);
  expect(new Refusal('not_member', 'x').challenge('https://a.example/m')).toBeUndefined();
});
