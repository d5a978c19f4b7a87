/** The public endpoint of a tenant whose server does everything right, except for the given answers. */
export const endpoints = { mcp: 'https://mcp.example/t/acme/mcp', metadata: 'https://mcp.example/metadata' };
export const issuer = 'https://issuer.example';

type Answers = Readonly<Record<string, () => Response | Promise<Response>>>;

export const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });

export const result = (value: unknown, id = 0): Response => json({ jsonrpc: '2.0', id, result: value });

/** `fetch` for the endpoint. Answers are named `metadata`, `challenge`, or by the method of MCP. */
export function endpoint(answers: Answers = {}, requests: string[] = []): typeof globalThis.fetch {
  return (async (input: string | URL, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const body = typeof init.body === 'string' ? (JSON.parse(init.body) as { id?: number; method: string }) : undefined;
    const asked =
      String(input) === endpoints.metadata ? 'metadata' : headers.has('authorization') ? (body?.method ?? 'listen') : 'challenge';
    requests.push(asked);
    init.signal?.throwIfAborted();
    if (answers[asked] !== undefined) return answers[asked]();
    if (asked === 'metadata') return json({ resource: endpoints.mcp, authorization_servers: [issuer] });
    if (asked === 'challenge')
      return new Response(null, { status: 401, headers: { 'www-authenticate': `Bearer resource_metadata="${endpoints.metadata}"` } });
    if (asked === 'listen') return new Response(null, { status: 405 });
    if (body?.id === undefined) return new Response(null, { status: 202 });
    const { id } = body;
    if (asked === 'initialize')
      return result({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'acme', version: '7' } }, id);
    if (asked === 'tools/list') return result({ tools: [{ name: 'a', inputSchema: { type: 'object' } }] }, id);
    return json({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } });
  }) as typeof globalThis.fetch;
}
