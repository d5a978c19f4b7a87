import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { replaceKnown } from '../../cli/diagnose/known-texts.ts';
import { presentable } from '../../cli/diagnose/presentable.ts';
import { Redactor } from '../../cli/diagnose/redact.ts';
import { generateApiKey } from '../../crds/api-keys.ts';

describe('a redactor', () => {
  test.each([
    ['as it is', (secret: string) => secret],
    ['in base64', (secret: string) => Buffer.from(secret).toString('base64')],
    ['in a URL', (secret: string) => encodeURIComponent(secret)],
    ['in JSON', (secret: string) => JSON.stringify({ value: secret })],
  ])('takes out a secret it was told of, %s', (_how, spell) => {
    const secret = 'p"a/ss w+ö\\rd!';
    const text = new Redactor([secret]).text(`before ${spell(secret)} after`);
    expect(text).not.toContain(spell(secret));
    expect(text).toContain('before ');
  });

  test('takes out the password of a URL it was told of, wherever it stands alone', () => {
    const redactor = new Redactor(['postgres://tenant:Zm9v%2Fbar42@db:5432/tenant']);
    expect(redactor.text('role uses Zm9v/bar42 and Zm9v%2Fbar42')).toBe('role uses [redacted] and [redacted]');
  });

  test('takes out the secrets within a document it was told of', () => {
    const hash = 'a'.repeat(64);
    expect(new Redactor([JSON.stringify([{ id: 'x', sha256: hash }])]).text(`hash ${hash}.`)).toBe('hash [redacted].');
  });

  test.each([
    ['an API key', generateApiKey()],
    ['a token', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl'],
    ['a bearer', 'Authorization: Bearer abcdef.123456'],
    ['a password in a URL', 'postgres://someone:hunter2secret@db:5432/x'],
    ['a variable', 'DB_PASSWORD=hunter2secret'],
    ['a field of JSON', '{"clientSecret": "hunter2secret", "port": 1}'],
    ['a field of escaped JSON', '{"msg":"{\\"password\\":\\"hunter2secret\\"}"}'],
    ['a key of WorkOS', 'sk_test_a1B2c3D4e5F6g7H8'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----'],
  ])('takes out %s it was not told of', (_what, text) => {
    const redacted = new Redactor([]).text(text);
    expect(redacted).toContain('[redacted]');
    expect(redacted).not.toMatch(/hunter2secret|abcdef\.123456|c2lnbmF0dXJl|MIIEvQ|a1B2c3|tnt_[0-9A-Za-z]{12}_/);
    expect(redacted).not.toBe(text);
  });

  test('leaves what helps: names of Secrets, URLs, plain words', () => {
    const text =
      'secretName: tenantry-database\nGET https://mcp.example.com/t/acme/mcp 401: no token\nSecretsReady=True\nhttps://x.example.com/.well-known/oauth-authorization-server: nothing listens there\nserver --token-file /run/token/value --secret-name tenantry-database --pass-credentials --verbose';
    expect(new Redactor([]).text(text)).toBe(text);
  });

  test.each([
    ['an assignment within another', 'msg=password=hunter2secret level=info', 'msg=password=[redacted] level=info'],
    ['a header of a log', 'headers: {"cookie": "session=hunter2secret; theme=dark"}', 'headers: {"cookie": "[redacted]; theme=dark"}'],
    ['the name of a setting below others', 'spring.datasource.password: hunter2secret', 'spring.datasource.password: [redacted]'],
    ['a long name', `${'x'.repeat(200)}TOKEN=hunter2secret`, `${'x'.repeat(200)}TOKEN=[redacted]`],
    ['what follows a flag', 'ran psql --password hunter2secret --port 5432', 'ran psql --password [redacted] --port 5432'],
    ['what follows a flag, in quotes', 'sh -c "login --api-key \'hunter2secret\'"', 'sh -c "login --api-key \'[redacted]\'"'],
    ['what follows a flag in JSON', '{"args":["--auth-token", "hunter2secret"]}', '{"args":["--auth-token", "[redacted]"]}'],
    ['a token that stands behind a hyphen', 'session-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln', 'session-[redacted]'],
  ])('takes out %s', (_what, text, expected) => {
    expect(new Redactor([]).text(text)).toBe(expected);
  });

  test('finds secrets that overlap, lie within each other or end alike, as a whole', () => {
    const redactor = new Redactor(['abcdefgh', 'cdefghij', 'efghij-klmnop', 'zzcdefghijzz', 'fghijx']);
    expect(redactor.text('<abcdefghij-klmnop> <zzcdefghijzz> <zzcdefghijx> <abcdefg>')).toBe(
      '<[redacted]> <[redacted]> <zz[redacted]> <abcdefg>',
    );
  });

  test('finds what looking for one after the other finds', () => {
    // Few letters, so that the texts overlap in every way; a fixed sequence, so that a failure can be seen again.
    let state = 42;
    const letters = (length: number): string => {
      let text = '';
      for (let index = 0; index < length; index++) {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        text += 'abc'[Math.floor((state / 2_147_483_648) * 3)];
      }
      return text;
    };
    const secrets = Array.from({ length: 40 }, (_, index) => letters(6 + (index % 7)));
    const text = letters(3000);
    const hidden = new Set<number>();
    for (const secret of secrets)
      for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
        for (let index = at; index < at + secret.length; index++) hidden.add(index);
    const expected = [...text]
      .map((letter, index) => (hidden.has(index) ? '*' : letter))
      .join('')
      .replaceAll(/\*+/g, '#');
    expect(hidden.size).toBeGreaterThan(100);
    expect(replaceKnown(text, secrets, '#')).toBe(expected);
  });

  // A million characters: what looks at a part of them again for each of them would take a quarter of an hour.
  test.each([
    ['names of secrets', 'token'],
    ['names of secrets with hyphens', 'password-'],
    ['beginnings of tokens', 'eyJhbG-'],
    ['beginnings of tokens with dots', 'eyJhbGciOiJI.'],
    ['what may be a scheme', 'a.b-'],
    ['users of URLs', '://user:'],
    ['passwords of URLs', '://u:p'],
    ['API keys', 'tnt_abcdefghijkl_'],
    ['beginnings of keys', '-----BEGIN PRIVATE KEY'],
    ['ends of keys', '-----BEGIN PRIVATE KEY-----END PRIVATE '],
    ['assignments', 'a=b='],
    ['assignments of secrets', 'secret=b='],
    ['flags', '--token-'],
    ['flags of secrets', '--token '],
    ['spaces after a flag', '--token                '],
    ['spaces after a flag in JSON', '"--token",              '],
    ['spaces after a name', 'token                '],
    ['bearers', 'Bearer   '],
    ['the beginning of a known secret', 'ababab'],
  ])('goes once through a long text of %s', { timeout: 60_000 }, (_what, piece) => {
    const redactor = new Redactor(['known-0123456789', `${'ab'.repeat(5000)}c`]);
    const redacted = redactor.text(`${piece.repeat(Math.ceil(1_000_000 / piece.length))} known-0123456789`);
    expect(redacted.endsWith('[redacted]')).toBe(true);
  });

  test('takes hundreds of secrets that begin alike out of a long text', { timeout: 60_000 }, () => {
    const secrets = Array.from({ length: 300 }, (_, index) => `the same beginning, and then ${index}.`);
    const redacted = new Redactor(secrets).text(`${'the same beginning, and then '.repeat(10_000)}${secrets.join('\n')}`);
    expect(redacted.split('\n').filter((line) => line !== '[redacted]')).toHaveLength(1);
  });

  test('goes through values, keys included', () => {
    expect(new Redactor(['topsecret']).values({ a: ['topsecret', 1, null], 'x-topsecret': { b: 'fine' } })).toEqual({
      a: ['[redacted]', 1, null],
      'x-[redacted]': { b: 'fine' },
    });
  });
});

describe('a presentable object', () => {
  test('shows no value that users set in the environment, but those the operator sets', () => {
    const env = [
      { name: 'VENDOR', value: 'abc' },
      { name: 'TENANTRY_SERVICES', value: '{}' },
      { name: 'TENANTRY_UPSTREAM_TOKEN', value: 'abc' },
      { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'tenantry-database', key: 'url' } } },
    ];
    expect(presentable({ spec: { containers: [{ name: 'api', env }] } })).toEqual({
      spec: {
        containers: [
          {
            name: 'api',
            env: [
              { name: 'VENDOR', value: '[redacted]' },
              { name: 'TENANTRY_SERVICES', value: '{}' },
              { name: 'TENANTRY_UPSTREAM_TOKEN', value: '[redacted]' },
              env[3],
            ],
          },
        ],
      },
    });
  });

  test('shows the shape of parameters, not their texts, and no copy that kubectl keeps', () => {
    const object = {
      metadata: {
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'all of it', 'tenantry.dev/reconcile': 'paused' },
        managedFields: [{}],
      },
      spec: { parameters: { limit: 3, smtp: { host: 'mail', list: ['x'] } } },
    };
    expect(presentable(object)).toEqual({
      metadata: { annotations: { 'tenantry.dev/reconcile': 'paused' } },
      spec: { parameters: { limit: 3, smtp: { host: '[redacted]', list: ['[redacted]'] } } },
    });
  });

  test('hides texts under names that speak of secrets', () => {
    expect(presentable({ data: { password: 'x', apiKey: 'y' }, spec: { secretName: 'z' } })).toEqual({
      data: { password: '[redacted]', apiKey: '[redacted]' },
      spec: { secretName: 'z' },
    });
  });

  test('hides them under names that end in Token, but shows how the tokens of ServiceAccounts are mounted', () => {
    const volumes = [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'tenantry-pods' } }] } }];
    const spec = { automountServiceAccountToken: false, volumes: [...volumes, { name: 'keys', secret: { secretName: 'tenantry-keys' } }] };
    expect(presentable({ spec: { ...spec, accessToken: 'hunter2secret', secret: 'hunter2secret' } })).toEqual({
      spec: { ...spec, accessToken: '[redacted]', secret: '[redacted]' },
    });
  });

  test.each([
    [
      'the argument after it',
      ['serve', '--password', 's3cr3tvalue99', '--port', '80'],
      ['serve', '--password', '[redacted]', '--port', '80'],
    ],
    ['one with spaces and quotes', ['--db-password', 's3cr3t "value" 99'], ['--db-password', '[redacted]']],
    ['one of few letters', ['-token', 'abc', '--secret=xy'], ['-token', '[redacted]', '--secret=[redacted]']],
  ])('shows no secret that a flag gives: %s', (_what, args, expected) => {
    const pod = (words: readonly string[]) => ({ spec: { containers: [{ name: 'api', args: words }] } });
    expect(presentable(pod(args))).toEqual(pod(expected));
    expect(new Redactor([]).text(stringify(presentable(pod(args))))).toBe(stringify(pod(expected)));
  });

  test('shows arguments that are none, such as where a secret lies', () => {
    const args = [
      '--token-file',
      '/run/token',
      '--secret-name=tenantry-database',
      '--password-stdin',
      '--verbose',
      '--token-ttl-seconds',
      '60',
    ];
    expect(presentable({ args, command: ['node', 'server.js'] })).toEqual({ args, command: ['node', 'server.js'] });
  });
});
