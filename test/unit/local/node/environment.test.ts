import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { environmentOf, expand, MissingSecretError, type ReadSecret } from '../../../../local/node/environment.ts';
import type { Container } from '../../../../local/node/pod.ts';

const podIp = '127.9.8.7';
const read: ReadSecret = async (name) => (name === 'db' ? new Map([['url', Buffer.from('postgres://x')]]) : undefined);
const environment = (env: NonNullable<Container['env']>) => environmentOf({ name: 'c', image: 'i', env }, podIp, read);

describe('environment of a container', () => {
  it('takes values from the pod and from Secrets', async () => {
    const env = await environment([
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'BASE', value: 'http://$(POD_IP):8081' },
      { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
      { name: 'EMPTY' },
    ]);
    expect(env).toEqual({ POD_IP: podIp, BASE: 'http://127.9.8.7:8081', DATABASE_URL: 'postgres://x', EMPTY: '' });
  });

  it('expands only variables that were defined before', async () => {
    const env = await environment([
      { name: 'A', value: '$(B)' },
      { name: 'B', value: '1' },
    ]);
    expect(env).toEqual({ A: '$(B)', B: '1' });
  });

  it('names a Secret or a key that does not exist', async () => {
    const wanting = (name: string, key: string) => environment([{ name: 'A', valueFrom: { secretKeyRef: { name, key } } }]);
    await expect(wanting('none', 'url')).rejects.toThrow(new MissingSecretError('none'));
    await expect(wanting('db', 'none')).rejects.toThrow('couldn\'t find key none in secret "db"');
  });
});

describe('expansion', () => {
  it('leaves text without dollar signs alone', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('$')),
        (text) => expand(text, { A: '1' }) === text,
      ),
    );
  });

  it('turns an escaped reference into its text', () => {
    expect(expand('$$(A) $(A) $(NONE) $A', { A: '1' })).toBe('$(A) 1 $(NONE) $A');
  });

  it('does not expand what a value contains', () => {
    expect(expand('$(A)', { A: '$(B)', B: '1' })).toBe('$(B)');
  });
});
