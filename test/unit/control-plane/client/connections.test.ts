import { describe, expect, test } from 'vitest';
import { clientConfigurations } from '../../../../control-plane/client/connections.ts';

const tenant = { name: 'acme', mcpUrl: 'https://mcp.example.com/t/acme/mcp', setKey: 'read -rs KEY' };
const textsOf = (auth: 'oauth' | 'api-key') => new Map(clientConfigurations({ ...tenant, auth }).map(({ client, text }) => [client, text]));

describe('the configurations of clients', () => {
  test('name the endpoint and hold no key, for the same clients with and without a sign-in', () => {
    expect([...textsOf('api-key').keys()]).toEqual([...textsOf('oauth').keys()]);
    for (const auth of ['oauth', 'api-key'] as const) {
      for (const [client, text] of textsOf(auth)) {
        expect(text, client).toContain(tenant.mcpUrl);
        expect(text, client).not.toContain('tnt_');
      }
    }
  });

  test('leave the sign-in to clients where the tenant has an organization', () => {
    for (const [client, text] of textsOf('oauth')) if (client !== 'curl') expect(text, client).not.toContain('Bearer');
  });

  test('send an API key where the tenant has no organization', () => {
    const texts = textsOf('api-key');
    for (const [client, text] of texts) expect(text, client).toContain('Bearer ');
    expect(JSON.parse(texts.get('VS Code') ?? '')).toMatchObject({
      inputs: [{ id: 'acme-api-key', password: true }],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: VS Code replaces it.
      servers: { acme: { headers: { Authorization: 'Bearer ${input:acme-api-key}' } } },
    });
    const desktop = JSON.parse(texts.get('Claude Desktop') ?? '') as { mcpServers: { acme: { args: string[]; env: object } } };
    // Its value has a space, which an argument loses on Windows.
    expect(desktop.mcpServers.acme.args.some((argument) => argument.includes(' '))).toBe(false);
    expect(desktop.mcpServers.acme.env).toEqual({ AUTHORIZATION: 'Bearer <API key>' });
  });
});
