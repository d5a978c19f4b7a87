import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { apiKeyId, generateApiKey, recordOf } from '../../crds/api-keys.ts';
import { type Condition, mergeConditions } from '../../crds/conditions.ts';
import { containerFaults } from '../../crds/containers.ts';
import { databaseNames, endpointsOf, metadataUrl } from '../../crds/names.ts';
import { checkParameters, isDeeperThan } from '../../crds/parameters.ts';
import { revisionOf, stackTemplateSpec } from '../../crds/stack-template.ts';
import { tenantName, tenantSpec } from '../../crds/tenant.ts';

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
  const definition = parse(readFileSync(new URL(`../../crds/${plural}.yaml`, import.meta.url), 'utf8'));
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

  test('the document checked is left as it was', () => {
    const parameters = { level: 'low' };
    checkParameters(schema, parameters);
    expect(parameters).toEqual({ level: 'low' });
  });
});

describe('containers of a tenant', () => {
  const spec = stackTemplateSpec.parse({ containers: [{ name: 'api', image: 'x:1' }] });

  test.each([
    'POD_IP',
    'HOST',
    'PORT',
    'DATABASE_URL',
    'TENANTRY_X',
    'NODE_OPTIONS',
    'LD_PRELOAD',
    'PATH',
    'HTTPS_PROXY',
    'NODE_EXTRA_CA_CERTS',
  ])('may not set %s', (name) => {
    expect(
      containerFaults(
        spec,
        {
          api: {
            env: [
              { name: 'FINE', value: '' },
              { name, value: '' },
            ],
          },
        },
        '',
      ),
    ).toMatchObject([{ pointer: '/api/env/1/name' }]);
  });

  test('may set their own variables, and only resources of the sidecar', () => {
    expect(containerFaults(spec, { api: { env: [{ name: 'MY_SETTING', value: '' }] }, mcp: { resources: {} } })).toEqual([]);
    expect(containerFaults(spec, { mcp: { env: [{ name: 'MY_SETTING', value: '' }] } })).toMatchObject([
      { pointer: '/spec/containers/mcp/env' },
    ]);
    expect(containerFaults(spec, { 'a/b': {} })).toMatchObject([{ pointer: '/spec/containers/a~1b' }]);
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
    expect(egress({ namespaceSelector: { a: '!' } })).toBe(false);
  });
});

describe('schemas', () => {
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
