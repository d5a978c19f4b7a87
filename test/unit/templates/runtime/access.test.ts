import { describe, expect, it } from 'vitest';
import { accessAt, type Door, isOwnScope } from '../../../../templates/runtime/access.ts';

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
