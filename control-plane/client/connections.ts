/** Tested version of the bridge for clients that support stdio only. */
const mcpRemote = 'mcp-remote@0.15.1';

export interface ClientConfiguration {
  readonly client: string;
  /** Where to paste the text: a file or the shell. */
  readonly where: string;
  readonly text: string;
}

/** The tenant that clients connect to. */
export interface ConnectedTenant {
  readonly name: string;
  readonly mcpUrl: string;
  /** `oauth`: users sign in. `api-key`: the tenant has no organization, so only API keys work. */
  readonly auth: 'oauth' | 'api-key';
  /** Shell command that sets the variable KEY to an API key. */
  readonly setKey: string;
}

/** Configurations for one tenant, for pasting. They contain no key: clients ask for it or read it from the environment. */
export function clientConfigurations(tenant: ConnectedTenant): ClientConfiguration[] {
  const clients = tenant.auth === 'oauth' ? withSignIn(tenant) : withApiKey(tenant);
  const { mcpUrl, setKey } = tenant;
  const curl = [
    setKey,
    `curl -s ${mcpUrl} -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\`,
    `  -H 'Accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'`,
  ].join('\n');
  return [...clients, { client: 'curl', where: 'shell, with an API key', text: curl }];
}

function withSignIn({ name, mcpUrl }: ConnectedTenant): ClientConfiguration[] {
  return [
    { client: 'Claude Code', where: 'shell, then /mcp inside it to sign in', text: `claude mcp add --transport http ${name} ${mcpUrl}` },
    { client: 'VS Code', where: '.vscode/mcp.json', text: json({ servers: { [name]: { type: 'http', url: mcpUrl } } }) },
    { client: 'Cursor', where: '.cursor/mcp.json', text: json({ mcpServers: { [name]: { url: mcpUrl } } }) },
    {
      client: 'Claude Desktop',
      where: 'claude_desktop_config.json (through mcp-remote, which opens the browser)',
      text: json({ mcpServers: { [name]: { command: 'npx', args: ['-y', mcpRemote, mcpUrl] } } }),
    },
  ];
}

function withApiKey({ name, mcpUrl, setKey }: ConnectedTenant): ClientConfiguration[] {
  const input = `${name}-api-key`;
  return [
    {
      client: 'Claude Code',
      where: 'shell, with an API key',
      text: `${setKey}\nclaude mcp add --transport http ${name} ${mcpUrl} --header "Authorization: Bearer $KEY"`,
    },
    {
      client: 'VS Code',
      where: '.vscode/mcp.json; VS Code asks for the API key',
      text: json({
        inputs: [{ type: 'promptString', id: input, description: `API key of ${name}`, password: true }],
        servers: { [name]: { type: 'http', url: mcpUrl, headers: { Authorization: `Bearer \${input:${input}}` } } },
      }),
    },
    {
      client: 'Cursor',
      where: '.cursor/mcp.json, with the API key in the environment variable TENANTRY_API_KEY',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Cursor replaces it.
      text: json({ mcpServers: { [name]: { url: mcpUrl, headers: { Authorization: 'Bearer ${env:TENANTRY_API_KEY}' } } } }),
    },
    {
      client: 'Claude Desktop',
      where: 'claude_desktop_config.json (through mcp-remote); put the API key in place of <API key>',
      text: json({
        mcpServers: {
          [name]: {
            command: 'npx',
            // biome-ignore lint/suspicious/noTemplateCurlyInString: mcp-remote replaces it.
            args: ['-y', mcpRemote, mcpUrl, '--header', 'Authorization:${AUTHORIZATION}'],
            env: { AUTHORIZATION: 'Bearer <API key>' },
          },
        },
      }),
    },
  ];
}

function json(value: object): string {
  return JSON.stringify(value, null, 2);
}
