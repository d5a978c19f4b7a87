import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { apiKeyId, generateApiKey, recordOf } from '../../../crds/api-keys.ts';
import { type Condition, mergeConditions } from '../../../crds/conditions.ts';
import { containerFaults } from '../../../crds/containers.ts';
import { databaseNames, endpointsOf, metadataUrl } from '../../../crds/names.ts';
import { checkParameters, isDeeperThan, schemaFaults } from '../../../crds/parameters.ts';
import { revisionOf, stackTemplateSpec } from '../../../crds/stack-template.ts';
import { tenantName, tenantSpec } from '../../../crds/tenant.ts';

type Node = { type?: string; description?: string; properties?: Record<string, Node>; items?: Node; additionalProperties?: Node };

function undescribed(node: Node, path: string): string[] {
  const here = path !== '' && !path.endsWith('[]') && !path.endsWith('{}') && node.description === undefined ? [path] : [];
  return [
    ...here,
    ...Object.entries(node.properties ?? {}).flatMap(([name, child]) => undescribed(child, `${path}.${name}`)),
    ...(node.items ? undescribed(node.items, `${path}[]`) : []),
    ...(node.additionalProperties ? undescribed(node.additionalProperties, `${path}{}`) : []),
  ];
}

describe.each(['tenants', 'stacktemplates'])('the CRD of %s', (plural) => {
  const definition = parse(readFileSync(new URL(`../../../crds/${plural}.yaml`, import.meta.url), 'utf8'));
  const [version] = definition.spec.versions;

  test('describes every field, so that kubectl explain helps', () => {
    const { metadata: _, ...properties } = version.schema.openAPIV3Schema.properties;
    expect(undescribed({ properties }, '')).toEqual([]);
  });

  test('is structural: every field has a type and nothing beside properties forbids fields', () => {
    const text = JSON.stringify(version.schema);
    expect(text).not.toContain('"additionalProperties":false');
    expect(text).not.toContain('$ref');
    expect(text).not.toContain('$schema');
  });
});

describe('names', () => {
  test.each(['a', 'acme', 'a-1', 'a'.repeat(40)])('%s is a tenant name', (name) => {
    expect(tenantName.safeParse(name).success).toBe(true);
  });

  test.each(['', 'A', '1a', '-a', 'a-', 'a_b', 'a.b', 'ümlaut', 'a'.repeat(41), 'admin', 'www', 'a b', 'a\n'])('%j is refused', (name) => {
    expect(tenantName.safeParse(name).success).toBe(false);
  });

  test('the metadata stands between host and path of the resource (RFC 9728)', () => {
    expect(metadataUrl('https://mcp.example.com/t/acme/mcp')).toBe(
      'https://mcp.example.com/.well-known/oauth-protected-resource/t/acme/mcp',
    );
    expect(metadataUrl('https://mcp.example.com')).toBe('https://mcp.example.com/.well-known/oauth-protected-resource');
  });

  test('endpoints follow the base URL, whatever its trailing slash', () => {
    expect(endpointsOf('acme', { baseUrl: 'http://localhost:8080/', mode: 'path' }, true)).toEqual({
      mcp: 'http://localhost:8080/t/acme/mcp',
      api: 'http://localhost:8080/t/acme/api',
      metadata: 'http://localhost:8080/.well-known/oauth-protected-resource/t/acme/mcp',
    });
    expect(endpointsOf('acme', { baseUrl: 'http://localhost:8080', mode: 'path' }, false)).not.toHaveProperty('api');
  });

  test('database names come from the UID and fit PostgreSQL', () => {
    const names = databaseNames('e0888c45-8d20-47e5-8e73-03efe64967de');
    for (const name of Object.values(names)) expect(name).toMatch(/^[a-z][a-z0-9_]{0,62}$/);
    expect(databaseNames('e0888c45-8d20-47e5-8e73-03efe64967df')).not.toEqual(names);
  });
});

describe('parameters', () => {
  const schema = {
    properties: { size: { type: 'integer', minimum: 1, default: 10 }, level: { enum: ['low', 'high'] } },
    required: ['level'],
  };

  test('defaults of the schema apply', () => {
    expect(checkParameters(schema, { level: 'low' })).toEqual({ ok: true, parameters: { size: 10, level: 'low' } });
  });

  test('every fault is named with its pointer', () => {
    const result = checkParameters(schema, { size: 0, level: 'medium', 'a/b': 1 });
    expect(result.ok).toBe(false);
    expect(!result.ok && result.faults.map((fault) => fault.pointer).sort()).toEqual([
      '/spec/parameters/a~1b',
      '/spec/parameters/level',
      '/spec/parameters/size',
    ]);
  });

  test('a template without a schema takes no parameters', () => {
    expect(checkParameters(undefined, undefined).ok).toBe(true);
    expect(checkParameters(undefined, { any: 1 }).ok).toBe(false);
  });

  test('a document that is nested too deep is refused, not recursed into', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`) as Record<string, unknown>;
    expect(checkParameters({ additionalProperties: true }, deep)).toMatchObject({ ok: false, faults: [{ pointer: '/spec/parameters' }] });
    expect(isDeeperThan({ a: [{}] }, 2)).toBe(true);
    expect(isDeeperThan({ a: [1] }, 2)).toBe(false);
  });

  test('a text cannot hold up the check, whatever the pattern', () => {
    const text = { type: 'string', pattern: '^([a-zA-Z0-9]+)+$' };
    const slow = { properties: { text }, patternProperties: { '^(a|a)*$': true } };
    expect(checkParameters(slow, { text: `${'a'.repeat(30_000)}!` })).toMatchObject({
      ok: false,
      faults: [{ pointer: '/spec/parameters/text', message: expect.stringContaining('must match pattern') }],
    });
    expect(checkParameters(slow, { [`${'a'.repeat(30_000)}!`]: 1 }).ok).toBe(false);
    expect(checkParameters({ properties: { text: { format: 'url' } } }, { text: 'http://:'.repeat(8_000) })).toMatchObject({
      ok: false,
      faults: [{ message: 'must match format "url"' }],
    });
  });

  test.each([
    ['http://a.example/x?y#z', true],
    ['HTTPS://a.example:8080', true],
    ['ftp://a.example', true],
    ['mailto:a@example.com', false],
    ['a.example', false],
    ['http://', false],
  ])('%s is a url: %s', (url, fits) => {
    expect(checkParameters({ properties: { url: { format: 'url' } } }, { url }).ok).toBe(fits);
  });

  test('a schema that branches at every level cannot hold up the check', () => {
    const branch = (kind: string) => ({ properties: { child: { $ref: '#/$defs/node' }, kind: { const: kind } } });
    const recursive = { properties: { root: { $ref: '#/$defs/node' } }, $defs: { node: { anyOf: [branch('a'), branch('b')] } } };
    let root: object = {};
    for (let level = 0; level < 50; level++) root = { kind: 'c', child: root };
    expect(checkParameters(recursive, { root })).toMatchObject({
      ok: false,
      faults: [{ pointer: '/spec/parameters', message: expect.stringContaining('cannot be checked') }],
    });
    const endless = { properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } };
    expect(checkParameters(endless, { a: 1 }).ok).toBe(false);
  });

  test('parameters have a largest size, and of many faults the first are listed', () => {
    expect(checkParameters({ additionalProperties: true }, { text: 'é'.repeat(40_000) })).toMatchObject({
      faults: [{ pointer: '/spec/parameters', message: 'is larger than 64 KiB' }],
    });
    const many = checkParameters({ properties: { list: { items: { type: 'string' } } } }, { list: Array(1_000).fill(1) });
    expect(!many.ok && many.faults).toHaveLength(21);
    expect(!many.ok && many.faults.at(-1)).toEqual({ pointer: '/spec/parameters', message: 'has 980 more faults' });
  });

  test.each<[string, object, string, string]>([
    ['a NUL', { list: ['fine', 'a\0'] }, '/list/1', 'must not have control characters other than tabs and line breaks'],
    ['an escape', { text: '\u001b[2J' }, '/text', 'must not have control characters other than tabs and line breaks'],
    ['a name with a NUL', { map: { 'a\0': 1 } }, '/map', 'has a name with control characters'],
  ])('%s in them is refused', (_what, parameters, pointer, message) => {
    expect(checkParameters({ additionalProperties: true }, { ...parameters })).toEqual({
      ok: false,
      faults: [{ pointer: `/spec/parameters${pointer}`, message }],
    });
  });

  test('may have lines and tabs', () => {
    expect(checkParameters({ additionalProperties: true }, { text: 'a\r\n\tb\u2028é' }).ok).toBe(true);
  });

  test('every pattern of a schema that is not supported is pointed at', () => {
    const bad = '(?=a)';
    const unsupported = {
      properties: { 'a/b': { pattern: bad }, pattern: { type: 'string' }, fine: { pattern: '^a+$', enum: [{ pattern: bad }] } },
      patternProperties: { '(a)\\1': { items: [{ allOf: [{ pattern: bad }] }] } },
      $defs: { x: { not: { pattern: bad } } },
      default: { pattern: bad },
    };
    const at = (pointer: string, reason: string) => ({
      pointer: `/parameters${pointer}`,
      message: `is not a supported pattern: ${reason}. Use the syntax of RE2.`,
    });
    const lookAround = 'it uses look-ahead or look-behind';
    expect(schemaFaults(unsupported, '/parameters')).toEqual([
      at('/properties/a~1b/pattern', lookAround),
      at('/patternProperties/(a)\\1', 'it uses a back-reference'),
      at('/patternProperties/(a)\\1/items/0/allOf/0/pattern', lookAround),
      at('/$defs/x/not/pattern', lookAround),
    ]);
    expect(checkParameters(unsupported, {})).toMatchObject({ ok: false, faults: [{ pointer: '/spec/parameters' }] });
  });

  test.each<[string, object, string]>([
    ['of an unknown type', { type: 7 }, 'is not a usable JSON Schema'],
    ['of another document', { $ref: 'https://example.com/schema' }, 'is not a usable JSON Schema'],
    ['whose check is asynchronous', { $async: true }, 'is not a keyword of JSON Schema'],
    ['that is very deep', JSON.parse(`${'{"not":'.repeat(5_000)}{}${'}'.repeat(5_000)}`) as object, 'is nested deeper than 64 levels'],
  ])('a schema %s cannot be used', (_what, unusable, message) => {
    expect(schemaFaults(unusable as Record<string, unknown>, '/parameters')).toEqual([
      { pointer: expect.stringContaining('/parameters'), message: expect.stringContaining(message) },
    ]);
  });

  test('the document checked is left as it was', () => {
    const parameters = { level: 'low' };
    checkParameters(schema, parameters);
    expect(parameters).toEqual({ level: 'low' });
  });
});

describe('containers of a tenant', () => {
  const spec = stackTemplateSpec.parse({
    containers: [
      { name: 'api', image: 'x:1', tenantEnv: ['COLOUR', 'GREETING'], maxResources: { cpu: '500m', memory: '1Gi' } },
      { name: 'worker', image: 'x:1' },
    ],
  });

  const env = (...names: string[]) => ({ api: { env: names.map((name) => ({ name, value: '' })) } });
  const pointersOf = (containers: unknown): string[] => containerFaults(spec, containers, '').map(({ pointer }) => pointer);

  test('may set the variables that the template leaves to tenants, and no other', () => {
    expect(containerFaults(spec, env('COLOUR', 'GREETING'))).toEqual([]);
    expect(containerFaults(spec, env('COLOUR', 'SHELLOPTS', 'PS4'))).toEqual([
      {
        pointer: '/spec/containers/api/env/1/name',
        message: 'SHELLOPTS is not in tenantEnv of the template; tenants can set: COLOUR, GREETING',
      },
      {
        pointer: '/spec/containers/api/env/2/name',
        message: 'PS4 is not in tenantEnv of the template; tenants can set: COLOUR, GREETING',
      },
    ]);
  });

  test.each(['POD_IP', 'HOST', 'PORT', 'DATABASE_URL', 'TENANTRY_X'])('may not set %s, whatever the template says', (name) => {
    const generous = { containers: [{ name: 'api', image: 'x:1', tenantEnv: [name] }] };
    expect(stackTemplateSpec.safeParse(generous).success).toBe(false);
    expect(containerFaults(generous, env(name), '')).toEqual([
      {
        pointer: '/api/env/0/name',
        message: `${name} is not in tenantEnv of the template; tenants cannot set any variable of this container`,
      },
    ]);
  });

  test('may set no variable of the sidecar, and none of a container that leaves none to tenants', () => {
    const variables = { env: [{ name: 'COLOUR', value: '' }] };
    expect(pointersOf({ mcp: variables, worker: variables })).toEqual(['/mcp/env/0/name', '/worker/env/0/name']);
    expect(pointersOf({ 'a/b': {} })).toEqual(['/a~1b']);
  });

  const bounded = (resources: object) => containerFaults(spec, { api: { resources } }, '');

  test('may ask for resources up to the maximum of the template', () => {
    expect(bounded({ requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '1Gi' } })).toEqual([]);
    expect(bounded({ requests: { cpu: '2' }, limits: { memory: '1025Mi', 'ephemeral-storage': '1Ti' } })).toEqual([
      { pointer: '/api/resources/requests/cpu', message: '2 is above maxResources of the template, 500m' },
      { pointer: '/api/resources/limits/memory', message: '1025Mi is above maxResources of the template, 1Gi' },
      { pointer: '/api/resources/limits/ephemeral-storage', message: '1Ti is above maxResources of the template, 10Gi' },
    ]);
    expect(containerFaults(spec, { mcp: { resources: { limits: { cpu: '100000' } } } })).toHaveLength(1);
  });

  test.each([
    [{ requests: { memory: '512Mi' } }, '/api/resources/requests/memory', 'the request 512Mi is above the limit 256Mi'],
    [{ limits: { memory: '32Mi' } }, '/api/resources/limits/memory', 'the request 64Mi is above the limit 32Mi'],
    [
      { requests: { memory: '300Mi' }, limits: { memory: '299Mi' } },
      '/api/resources/requests/memory',
      'the request 300Mi is above the limit 299Mi',
    ],
  ])('may not ask for %j', (resources, pointer, message) => {
    expect(bounded(resources)).toEqual([{ pointer, message }]);
  });

  test.each([[undefined], [null], ['x'], [[]], [{ api: null }], [{ api: { env: 'x' } }], [{ api: { env: [null, 1] } }]])(
    'of the shape %j are no reason to fail',
    (containers) => {
      expect(containerFaults(spec, containers)).toEqual([]);
    },
  );
});

describe('addresses that may be reached', () => {
  const egress = (opening: object): boolean => tenantSpec.safeParse({ template: { name: 'x' }, network: { egress: [opening] } }).success;

  test.each(['10.0.0.0/8', '203.0.113.7/32', 'fd00::/8', '0.0.0.0/0'])('%s is a range', (cidr) => {
    expect(egress({ cidr })).toBe(true);
  });
  test.each(['banana', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/08'])('%s is none', (cidr) => {
    expect(egress({ cidr })).toBe(false);
  });
  test('labels have their syntax', () => {
    expect(egress({ namespaceSelector: { 'kubernetes.io/metadata.name': 'kube-system' } })).toBe(true);
    expect(egress({ namespaceSelector: { 'a b': 'c' } })).toBe(false);
    expect(egress({ namespaceSelector: { [`example.com/${'a'.repeat(63)}`]: 'b' } })).toBe(true);
    expect(egress({ namespaceSelector: { [`example.com/${'a'.repeat(64)}`]: 'b' } })).toBe(false);
    expect(egress({ namespaceSelector: { a: '!' } })).toBe(false);
  });
});

describe('rotation of secrets', () => {
  const faultsOf = (secrets: object) =>
    tenantSpec.safeParse({ template: { name: 'x' }, secrets }).error?.issues.map(({ path, message }) => `${path.join('/')} ${message}`);

  test.each([
    [{}],
    [{ rotationPeriod: '1h', overlap: '5m' }],
    [{ rotationPeriod: '0s' }],
    [{ rotationPeriod: '25h' }],
    [{ rotationPeriod: '0h0m0s', overlap: '999999h' }],
  ])('may be %j', (secrets) => {
    expect(faultsOf(secrets)).toBeUndefined();
  });

  test.each([
    [{ rotationPeriod: '59m59s', overlap: '5m' }, 'secrets/rotationPeriod must be at least 1h, or 0s for rotation on request alone'],
    [{ overlap: '4m59s' }, 'secrets/overlap must be at least 5m'],
    [{ rotationPeriod: '24h' }, 'secrets/overlap must be less than rotationPeriod; overlap is 24h when left out'],
  ])('may not be %j', (secrets, fault) => {
    expect(faultsOf(secrets)).toEqual([fault]);
  });
});

describe('schemas', () => {
  test.each(['a\0', 'a\nb', '\u007f', '\u0085', '\u001b[2J'])('%j is no name for people', (displayName) => {
    expect(tenantSpec.safeParse({ template: { name: 'x' }, displayName }).success).toBe(false);
  });

  test('the value of a variable may have lines, but no NUL', () => {
    const fits = (value: string): boolean =>
      tenantSpec.safeParse({ template: { name: 'x' }, containers: { api: { env: [{ name: 'A', value }] } } }).success;
    expect(fits('-----BEGIN CERTIFICATE-----\r\n\tx')).toBe(true);
    expect(fits('a\0b')).toBe(false);
  });

  test('unknown fields of a spec are refused', () => {
    expect(tenantSpec.safeParse({ template: { name: 'x' }, nonsense: 1 }).success).toBe(false);
  });

  test('the revision of a template does not depend on the order of its keys', () => {
    const spec = stackTemplateSpec.parse({ containers: [{ name: 'api', image: 'x:1', args: ['a', 'b'] }] });
    const reordered = stackTemplateSpec.parse({ containers: [{ args: ['a', 'b'], image: 'x:1', name: 'api' }] });
    expect(revisionOf(reordered)).toBe(revisionOf(spec));
    expect(revisionOf(stackTemplateSpec.parse({ containers: [{ name: 'api', image: 'x:2', args: ['a', 'b'] }] }))).not.toBe(
      revisionOf(spec),
    );
  });
});

test.each([
  [
    {
      containers: [{ name: 'api', image: 'x:1', args: ['b', 'a'], env: [{ name: 'Z', value: 'ü' }] }],
      services: [{ name: 'notes' }],
      publicApi: true,
    },
    '83557874c4',
  ],
  [
    {
      containers: [{ name: 'api', image: 'x:1' }],
      parameters: { type: 'object', properties: { 10: {}, 9: {}, b: {}, a: { type: 'string' } } },
    },
    'ea85538869',
  ],
])('the name of a revision is what it has always been: clusters hold revisions by these names (%#)', (spec, revision) => {
  expect(revisionOf(stackTemplateSpec.parse(spec))).toBe(revision);
});

describe('API keys', () => {
  test('a key carries its id and a checksum that finds a wrong character', () => {
    const key = generateApiKey();
    expect(key).toMatch(/^tnt_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
    expect(apiKeyId(key)).toBe(key.slice(4, 16));
    const wrong = key.slice(0, 20) + (key[20] === 'a' ? 'b' : 'a') + key.slice(21);
    expect(apiKeyId(wrong)).toBeUndefined();
  });

  test('its record does not contain it', () => {
    const key = generateApiKey();
    const record = recordOf(key, 'default', ['mcp']);
    expect(JSON.stringify(record)).not.toContain(key.slice(17));
    expect(record.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('conditions', () => {
  const verdict = { type: 'Ready', status: 'True', reason: 'Ready', message: 'The tenant serves.' } as const;
  const first = new Date('2026-01-01T00:00:00.700Z');
  const later = new Date('2026-01-01T01:00:00Z');

  test('the time of a condition moves only with its status', () => {
    const before: Condition[] = mergeConditions([], [verdict], 1, () => first);
    expect(before[0]?.lastTransitionTime).toBe('2026-01-01T00:00:00Z');
    expect(mergeConditions(before, [{ ...verdict, message: 'other' }], 2, () => later)[0]).toMatchObject({
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 2,
    });
    const fallen = mergeConditions(before, [{ type: 'Ready', status: 'False', reason: 'Progressing', message: '' }], 2, () => later);
    expect(fallen[0]?.lastTransitionTime).toBe('2026-01-01T01:00:00Z');
  });
});
