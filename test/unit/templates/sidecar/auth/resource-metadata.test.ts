import { describe, expect, it } from 'vitest';
import { metadataUrlOf, protectedResource, resourceMetadata } from '../../../../../templates/sidecar/auth/resource-metadata.ts';
import type { Settings } from '../../../../../templates/sidecar/settings/settings.ts';

describe('a protected resource', () => {
  it.each([
    [
      'https://mcp.example/t/acme/mcp',
      'https://mcp.example/.well-known/oauth-protected-resource/t/acme/mcp',
      'https://mcp.example/t/acme/mcp',
    ],
    ['https://mcp.example/', 'https://mcp.example/.well-known/oauth-protected-resource', 'https://mcp.example'],
  ])('at %s has its metadata at %s', (url, metadata, resource) => {
    expect(metadataUrlOf(new URL(url)).href).toBe(metadata);
    expect(protectedResource(new URL(url), 'mcp')).toEqual({ url: resource, metadataUrl: metadata, door: 'mcp' });
  });

  it('names the configured authorization server, if there is one', () => {
    const resource = protectedResource(new URL('https://mcp.example/mcp'), 'mcp');
    const common = { resource: 'https://mcp.example/mcp', bearer_methods_supported: ['header'], resource_name: 'Acme' };
    expect(resourceMetadata(resource, { displayName: 'Acme' } as Settings)).toStrictEqual(common);
    expect(resourceMetadata(resource, { displayName: 'Acme', issuer: 'https://i.example' } as Settings)).toStrictEqual({
      ...common,
      authorization_servers: ['https://i.example'],
    });
  });
});
