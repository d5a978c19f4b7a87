import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../../../templates/sidecar/http/refusal.ts';
import { RequestGuard } from '../../../../../templates/sidecar/http/request-guard.ts';

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
