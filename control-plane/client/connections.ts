/** Version of the bridge for clients that speak stdio only; the one this was tried with. */
const mcpRemote = 'mcp-remote@0.15.1';

export interface ClientConfiguration {
  readonly client: string;
  /** Where the text goes: a file, or the shell. */
  readonly where: string;
  readonly text: string;
}

/**
 * Configurations for one tenant, ready to paste. Clients with OAuth open the sign-in page by themselves; none of them needs a key in a
 * file. The curl command finds an API key in the shell variable KEY, which `key` is to set.
 */
export function clientConfigurations(name: string, mcpUrl: string, key: string): ClientConfiguration[] {
  const json = (value: object): string => JSON.stringify(value, null, 2);
  return [
    { client: 'Claude Code', where: 'shell, then /mcp inside it to sign in', text: `claude mcp add --transport http ${name} ${mcpUrl}` },
    { client: 'VS Code', where: '.vscode/mcp.json', text: json({ servers: { [name]: { type: 'http', url: mcpUrl } } }) },
    { client: 'Cursor', where: '.cursor/mcp.json', text: json({ mcpServers: { [name]: { url: mcpUrl } } }) },
    {
      client: 'Claude Desktop',
      where: 'claude_desktop_config.json (through mcp-remote, which opens the browser)',
      text: json({ mcpServers: { [name]: { command: 'npx', args: ['-y', mcpRemote, mcpUrl] } } }),
    },
    {
      client: 'curl',
      where: 'shell, with an API key',
      text: [
        key,
        `curl -s ${mcpUrl} -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\`,
        `  -H 'Accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'`,
      ].join('\n'),
    },
  ];
}
