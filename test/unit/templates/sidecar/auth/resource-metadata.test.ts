import { expect, it } from 'vitest';
import { metadataUrlOf } from '../../../../../templates/sidecar/auth/resource-metadata.ts';

it('metadata stands where RFC 9728 puts it', () => {
  expect(metadataUrlOf(new URL('http://localhost:8080/t/acme/mcp')).href).toBe(
    'http://localhost:8080/.well-known/oauth-protected-resource/t/acme/mcp',
  );
  expect(metadataUrlOf(new URL('https://acme.example')).href).toBe('https://acme.example/.well-known/oauth-protected-resource');
});
