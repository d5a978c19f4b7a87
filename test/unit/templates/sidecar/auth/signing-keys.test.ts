import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { describe, expect, it } from 'vitest';
import { ControlPlaneUnavailable } from '../../../../../templates/sidecar/auth/control-plane.ts';
import { SigningKeys } from '../../../../../templates/sidecar/auth/signing-keys.ts';
import { clock } from '../../clock.ts';

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
