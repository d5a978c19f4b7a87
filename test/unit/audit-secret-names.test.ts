import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { isSecretName } from '../../audit/secret-names.ts';
import { presentable } from '../../cli/diagnose/presentable.ts';
import { Redactor } from '../../cli/diagnose/redact.ts';
import { recordedBody } from '../../control-plane/admin/recorded-body.ts';
import { redact } from '../../control-plane/audit/redaction.ts';
import { createLog } from '../../control-plane/log.ts';
import { ArgumentRedactor } from '../../templates/sidecar/audit/argument-redactor.ts';
import { apiTools } from '../../templates/sidecar/tools/api-document.ts';

const secret = [
  ...['password', 'userPassword', 'db_passwd', 'PGPASSWORD', 'sshPassphrase', 'pass', 'pwd', 'passcode', 'login.pass'],
  ...['secret', 'clientSecret', 'client_secret', 'x-client-secret', 'secrets', 'webhookSecret', 'secretValue'],
  ...['token', 'accessToken', 'tokenValue', 'refresh_tokens', 'apiTokens', 'X-Auth-Token', 'token1', 'GITHUB_PAT'],
  ...['apiKey', 'api-key', 'API_KEY', 'apikey', 'APIKey', 'accessKey', 'AWS_SECRET_ACCESS_KEY', 'AccountKey'],
  ...['signingKey', 'signing_key', 'encryptionKey', 'privateKey', 'masterKey', 'sharedKey', 'sshKey', 'hmac-key'],
  ...['dsn', 'SENTRY_DSN', 'connectionString', 'connection_string', 'connStr', 'connectionUri'],
  ...['credential', 'credentials', 'creds', 'Authorization', 'cookie', 'Set-Cookie', 'bearer', 'jwt', 'kubeconfig', 'otpCode', 'pin'],
  ...['signature', 'creditCardNumber', 'cvv', 'mnemonic'],
];

const harmless = [
  ...[
    'tokens',
    'maxTokens',
    'max_completion_tokens',
    'inputTokens',
    'tokensPerMinute',
    'tokensUsed',
    'tokenCount',
    'tokenLimit',
    'tokenizer',
  ],
  ...['keyboard', 'monkey', 'key', 'keyId', 'accessKeyId', 'publicKey', 'primaryKey', 'partitionKey', 'idempotencyKey'],
  ...['pinned', 'author', 'passage', 'passport', 'compass', 'obsession', 'secretary', 'description', 'session_timeout', 'authMethod'],
  ...['secretName', 'secretRef', 'tokenPath', 'passwordFile', 'secretRotation', 'cookiePolicy', 'authorization_servers', 'SecretsReady'],
  ...['tokenTtlSeconds', 'passwordLength', 'tokenType', 'rotationPeriod'],
];

const value = 'hunter2value';
const schemaOf = (name: string) => ({ type: 'object', properties: { [name]: { enum: [value] } } });

async function logged(fields: object): Promise<string> {
  const stream = new PassThrough();
  createLog('info', stream).info(fields, 'said');
  return String(stream.read());
}

function argument(name: string): unknown {
  const paths = { '/x': { post: { operationId: 'x', requestBody: { content: { 'application/json': { schema: schemaOf(name) } } } } } };
  const options = { url: new URL('http://127.0.0.1/openapi.json'), reservedHeaders: [] };
  const [tool] = apiTools({ openapi: '3.1.1', paths }, options).tools;
  if (tool === undefined) throw new Error('the document became no tool');
  return new ArgumentRedactor().redact(tool, { [name]: value });
}

/** Everything that keeps or shows values under names that others chose. */
const users: Readonly<Record<string, (name: string) => unknown>> = {
  'the details of an action in the audit': (name) => redact({ change: { [name]: value } }),
  'the parameters of a tenant in the audit': (name) => redact(recordedBody({ parameters: { [name]: value } }, schemaOf(name))),
  'the arguments of a tool call in the audit': argument,
  'the log of the control plane': (name) => logged({ [name]: value, request: { [name]: value } }),
  'an object in a support bundle': (name) => presentable({ [name]: value }),
  'a text in a support bundle': (name) => new Redactor([]).text(`${name}=${value} "${name}": "${value}"`),
};

describe.each(Object.entries(users))('%s', (_user, keep) => {
  test.each(secret)('masks %s', async (name) => {
    expect(JSON.stringify(await keep(name))).not.toContain(value);
    expect(JSON.stringify(await keep(name))).toContain('[redacted]');
  });

  test.each(harmless)('keeps %s', async (name) => {
    expect(JSON.stringify(await keep(name))).not.toContain('[redacted]');
    expect(JSON.stringify(await keep(name))).toContain(value);
  });
});

test.each(['--password', '--access-key', '--dsn'])('an argument after %s is masked in a support bundle', (flag) => {
  expect(presentable({ args: ['serve', flag, value] })).toEqual({ args: ['serve', flag, '[redacted]'] });
});

test('booleans and null are kept under any name', () => {
  expect(redact({ includeToken: true, password: null })).toEqual({ includeToken: true, password: null });
  expect(new Redactor([]).text('automountServiceAccountToken: false')).toBe('automountServiceAccountToken: false');
});

test('the fields of an error are masked in the log of the control plane', async () => {
  const err = Object.assign(new Error('refused'), { config: { connectionString: value }, dsn: value, code: 'ECONNREFUSED' });
  const line = await logged({ err });
  expect(line).not.toContain(value);
  expect(line).toContain('ECONNREFUSED');
});

test('a name is judged in time proportional to its length', () => {
  const began = performance.now();
  for (const piece of ['token', 'pass-', 'aB', 'key_', 'tokens_']) isSecretName(piece.repeat(500_000));
  // Milliseconds. It takes about one second; a quadratic judgement would take hours.
  expect(performance.now() - began).toBeLessThan(20_000);
});

describe('parameters of a tenant in the audit', () => {
  const schema = {
    type: 'object',
    properties: {
      greeting: { type: 'string' },
      colour: { enum: ['red', 'blue'] },
      pageSize: { type: 'integer' },
      licence: { type: 'string', writeOnly: true },
      door: { type: 'string', format: 'password' },
      smtp: { $ref: '#/definitions/smtp' },
    },
    definitions: { smtp: { type: 'object', properties: { host: { type: 'string' }, code: { type: 'integer', writeOnly: true } } } },
  };

  test('keep what cannot be a secret, and of texts only the length', () => {
    const parameters = { greeting: 'Dear Ada', colour: 'red', pageSize: 20, smtp: { host: 'mail', code: 7 }, door: 'x', licence: 'y' };
    expect(recordedBody({ displayName: 'Acme', parameters }, schema)).toEqual({
      displayName: 'Acme',
      parameters: {
        greeting: '[8 characters]',
        colour: 'red',
        pageSize: 20,
        smtp: { host: '[4 characters]', code: '[redacted]' },
        door: '[redacted]',
        licence: '[redacted]',
      },
    });
  });

  test('show that a merge patch removes one', () => {
    expect(recordedBody({ parameters: { greeting: null } }, schema)).toEqual({ parameters: { greeting: null } });
  });

  test('keep only names where the template declares nothing', () => {
    expect(recordedBody({ parameters: { greeting: 'Dear Ada', n: 1 } }, undefined)).toEqual({
      parameters: { greeting: '[redacted]', n: '[redacted]' },
    });
  });

  test.each(['text', 5, null, [1, 'a']])('are recorded without a text when they are no object: %j', (parameters) => {
    expect(JSON.stringify(recordedBody({ parameters }, schema))).not.toMatch(/text|"a"/);
  });
});
