import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../../local/node/pod.ts';
import { endpointsOf, type Service } from '../../../../local/router/endpoints.ts';
import { refusalOf } from '../../../../local/router/request-path.ts';
import { type Ingress, isOurs, Routes } from '../../../../local/router/routes.ts';

type Path = [path: string, service: string, pathType?: 'Exact' | 'Prefix'];
const ingress = (name: string, host: string | undefined, paths: Path[], rest: Partial<Ingress['metadata']> = {}): Ingress => ({
  metadata: { name, namespace: 'n', ...rest },
  spec: {
    rules: [
      {
        ...(host === undefined ? {} : { host }),
        http: {
          paths: paths.map(([path, service, pathType = 'Prefix']) => ({
            path,
            pathType,
            backend: { service: { name: service, port: { number: 80 } } },
          })),
        },
      },
    ],
  },
});
const serviceAt = (routes: Routes, path: string, host = 'any.test') => routes.match(host, path)?.service;

describe('matching of paths', () => {
  // https://kubernetes.io/docs/concepts/services-networking/ingress/#examples
  it.each([
    ['Prefix', '/', '/anything/at/all', true],
    ['Exact', '/foo', '/foo', true],
    ['Exact', '/foo', '/bar', false],
    ['Exact', '/foo', '/foo/', false],
    ['Exact', '/foo/', '/foo', false],
    ['Prefix', '/foo', '/foo', true],
    ['Prefix', '/foo', '/foo/', true],
    ['Prefix', '/foo/', '/foo', true],
    ['Prefix', '/foo/', '/foo/', true],
    ['Prefix', '/aaa/bb', '/aaa/bbb', false],
    ['Prefix', '/aaa/bbb', '/aaa/bbb', true],
    ['Prefix', '/aaa/bbb/', '/aaa/bbb', true],
    ['Prefix', '/aaa/bbb', '/aaa/bbb/ccc', true],
    ['Prefix', '/aaa/bbb', '/aaa/bbbxyz', false],
    ['Prefix', '/aaa', '/AAA', false],
  ] as const)('%s %s and %s: %s', (pathType, rule, path, matches) => {
    const routes = new Routes([ingress('a', undefined, [[rule, 's', pathType]])]);
    expect(serviceAt(routes, path)).toBe(matches ? 's' : undefined);
  });

  it('prefers the longest path, and Exact to Prefix', () => {
    const routes = new Routes([
      ingress('a', undefined, [
        ['/', 'root'],
        ['/t/acme', 'prefix'],
        ['/t/acme', 'exact', 'Exact'],
        ['/t/acme/api', 'api'],
      ]),
    ]);
    expect(serviceAt(routes, '/x')).toBe('root');
    expect(serviceAt(routes, '/t/acme')).toBe('exact');
    expect(serviceAt(routes, '/t/acme/mcp')).toBe('prefix');
    expect(serviceAt(routes, '/t/acme/api/x')).toBe('api');
    expect(serviceAt(routes, '/t/acme-two')).toBe('root');
  });

  it('finds the longest of any set of prefixes, in any order', () => {
    const path = fc.array(fc.constantFrom('a', 'b', 'ab'), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), path, (prefixes, requested) => {
        const routes = new Routes(prefixes.map((prefix, i) => ingress(`i${i}`, undefined, [[prefix, prefix]])));
        const elements = (text: string) => text.split('/').filter((part) => part !== '');
        const fitting = prefixes.filter((prefix) => elements(prefix).every((part, i) => elements(requested)[i] === part));
        const longest = fitting.sort((a, b) => elements(b).length - elements(a).length)[0];
        expect(serviceAt(routes, requested)).toBe(longest);
      }),
    );
  });
});

describe('matching of hosts', () => {
  const routes = new Routes([
    ingress('a', 'Acme.Test', [['/', 'exact']]),
    ingress('b', '*.acme.test', [['/', 'wildcard']]),
    ingress('c', undefined, [['/any', 'any']]),
  ]);

  it('prefers the name to its wildcard to any host', () => {
    expect(serviceAt(routes, '/any', 'acme.test:8080')).toBe('exact');
    expect(serviceAt(routes, '/any', 'MCP.acme.test')).toBe('wildcard');
    expect(serviceAt(routes, '/any', 'other.test')).toBe('any');
    expect(serviceAt(routes, '/', 'deep.mcp.acme.test')).toBeUndefined();
    expect(routes.match(undefined, '/any')?.service).toBe('any');
  });

  it('gives a path to the older of two that claim it', () => {
    const older = ingress('z', undefined, [['/x', 'older']], { creationTimestamp: '2030-01-01T00:00:00Z' });
    const newer = ingress('a', undefined, [['/x', 'newer']], { creationTimestamp: '2030-01-02T00:00:00Z' });
    expect(serviceAt(new Routes([newer, older]), '/x')).toBe('older');
  });

  it('leaves other classes alone', () => {
    const of = (ingressClassName: string): Ingress => ({ metadata: { name: 'a' }, spec: { ingressClassName } });
    expect(isOurs(of('tenantry-local'), 'tenantry-local')).toBe(true);
    expect(isOurs(of('nginx'), 'tenantry-local')).toBe(false);
    expect(isOurs({ metadata: { name: 'a' } }, 'tenantry-local')).toBe(true);
    expect(isOurs({ metadata: { name: 'a', annotations: { 'kubernetes.io/ingress.class': 'nginx' } } }, 'tenantry-local')).toBe(false);
  });
});

describe('request targets', () => {
  it.each(['/', '/t/acme/mcp', '/a/b/', '/a%20b?x=//..%2f', '/...', '/a.b/.well-known/x', '/a;v=1/b'])('lets %s through', (target) => {
    expect(refusalOf(target)).toBeUndefined();
  });

  it.each([
    'http://host/a',
    '*',
    'a',
    '//a',
    '/a//b',
    '/..',
    '/a/../b',
    '/a/.',
    '/a/%2e%2E/b',
    '/a/.%2e',
    '/a/..;x/b',
    '/a/..%3bx/b',
    '/a%2fb',
    '/a%5Cb',
    '/a%00',
    '/a\\b',
    '/a%2',
    '/a#b',
    '/a b',
  ])('refuses %s', (target) => {
    expect(refusalOf(target)).toBeTypeOf('string');
  });

  it('lets no spelling through that a URL parser reads as another path', () => {
    const piece = fc.constantFrom('/', '.', '..', '%2e', '%2E', '%2f', '\\', 'a', '%61', ';', '?', '//', '%', '%5c');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = `/${pieces.join('')}`;
        if (refusalOf(target) !== undefined) return;
        expect(new URL(target, 'http://x').pathname).toBe(target.split('?')[0]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('pods behind a Service', () => {
  const pod = (name: string, ip: string, rest: { ready?: boolean; deleted?: boolean; app?: string } = {}): Pod => ({
    metadata: {
      name,
      namespace: 'n',
      labels: { app: rest.app ?? 'web', more: '1' },
      ...(rest.deleted ? { deletionTimestamp: '2030-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 8001 }] }] },
    status: { podIP: ip, conditions: [{ type: 'Ready', status: rest.ready === false ? 'False' : 'True' }] },
  });
  const service: Service = {
    metadata: { name: 's', namespace: 'n' },
    spec: {
      selector: { app: 'web' },
      ports: [
        { name: 'mcp', port: 80, targetPort: 'http' },
        { name: 'raw', port: 81 },
      ],
    },
  };
  const at = (port: number | string, pods: Pod[]) => endpointsOf({ namespace: 'n', service: 's', port }, service, pods);

  it('are those that are ready, stay, and have the labels', () => {
    const pods = [
      pod('a', '127.1.0.1'),
      pod('b', '127.1.0.2', { ready: false }),
      pod('c', '127.1.0.3', { deleted: true }),
      pod('d', '127.1.0.4', { app: 'other' }),
    ];
    expect(at(80, pods)).toEqual([{ host: '127.1.0.1', port: 8001 }]);
  });

  it('are reached by number or name of the port', () => {
    expect(at('mcp', [pod('a', '127.1.0.1')])).toEqual([{ host: '127.1.0.1', port: 8001 }]);
    expect(at(81, [pod('a', '127.1.0.1')])).toEqual([{ host: '127.1.0.1', port: 81 }]);
    expect(at(82, [pod('a', '127.1.0.1')])).toEqual([]);
  });

  it('are none where there is no Service or it selects nothing', () => {
    expect(endpointsOf({ namespace: 'n', service: 's', port: 80 }, undefined, [pod('a', '127.1.0.1')])).toEqual([]);
    expect(endpointsOf({ namespace: 'n', service: 's', port: 80 }, { metadata: { name: 's' }, spec: {} }, [pod('a', '127.1.0.1')])).toEqual(
      [],
    );
  });
});
