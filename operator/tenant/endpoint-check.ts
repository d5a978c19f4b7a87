import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Endpoints } from '../../crds/names.ts';
import type { TenantStatus } from '../../crds/tenant.ts';
import { bounded } from './bounded-response.ts';
import type { Verification } from './status.ts';

/** The tenant's MCP server as the status shows it: from its own answers and from its sidecar's report. */
export type VerifiedServer = NonNullable<TenantStatus['server']>;

export interface EndpointCheckOptions {
  readonly endpoints: Endpoints;
  /** Issuer that the metadata must name. */
  readonly oauthIssuer: string;
  /** API key of scope `probe`. */
  readonly probeKey: string;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
}

class Failure extends Error {
  readonly reason: Extract<Verification, { state: 'failed' }>['reason'];
  constructor(reason: Failure['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

const timeoutMs = 5_000;
/**
 * Most bytes of all answers together. The tenant's API decides the length of its list of tools, and the operator shares its memory among
 * all tenants.
 */
const mostBytes = 8 * 1024 * 1024;

/**
 * Acts as an LLM client through the tenant's public route. It reads the metadata, gets the 401 challenge, makes the MCP handshake and lists
 * the tools.
 */
export async function checkEndpoint(options: EndpointCheckOptions): Promise<Verification> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(3 * timeoutMs)]);
  const budget = { bytes: mostBytes };
  const call: typeof globalThis.fetch = async (input, init) =>
    bounded(await options.fetch(input, { ...init, signal: AbortSignal.any([signal, ...(init?.signal ? [init.signal] : [])]) }), budget);
  try {
    await checkMetadata(options, call);
    await checkChallenge(options, call);
    return { state: 'succeeded', server: await handshake(options, call) };
  } catch (error) {
    options.signal.throwIfAborted();
    if (budget.bytes < 0) return { state: 'failed', reason: 'HandshakeFailed', message: tooLong(options.endpoints.mcp) };
    const { reason, message } =
      error instanceof Failure ? error : new Failure('Unreachable', `The route did not answer: ${causeOf(error)}.`);
    return { state: 'failed', reason, message };
  }
}

async function checkMetadata({ endpoints, oauthIssuer }: EndpointCheckOptions, call: typeof globalThis.fetch): Promise<void> {
  const response = await call(endpoints.metadata);
  if (response.status === 404 || response.status >= 500) {
    throw new Failure('Unreachable', `${endpoints.metadata} answered ${response.status}: the route does not lead to the tenant's pod yet.`);
  }
  const metadata = (await response.json().catch(() => undefined)) as { resource?: unknown; authorization_servers?: unknown } | undefined;
  const servers = Array.isArray(metadata?.authorization_servers) ? metadata.authorization_servers.map(withoutSlash) : [];
  if (metadata?.resource !== endpoints.mcp || !servers.includes(withoutSlash(oauthIssuer))) {
    throw new Failure('MetadataInvalid', `${endpoints.metadata} does not name ${endpoints.mcp} and its authorization server.`);
  }
}

async function checkChallenge({ endpoints }: EndpointCheckOptions, call: typeof globalThis.fetch): Promise<void> {
  const response = await call(endpoints.mcp, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  });
  await response.body?.cancel();
  if (response.status >= 500) throw new Failure('Unreachable', `${endpoints.mcp} answered ${response.status}.`);
  if (response.status !== 401 || !response.headers.get('www-authenticate')?.includes(endpoints.metadata)) {
    throw new Failure(
      'ChallengeMissing',
      `${endpoints.mcp} answered ${response.status} without a token instead of 401 with its metadata's URL.`,
    );
  }
}

async function handshake({ endpoints, probeKey }: EndpointCheckOptions, call: typeof globalThis.fetch): Promise<VerifiedServer> {
  const client = new Client({ name: 'tenantry-operator', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const transport = new StreamableHTTPClientTransport(new URL(endpoints.mcp), {
    fetch: call,
    requestInit: { headers: { authorization: `Bearer ${probeKey}` } },
  });
  try {
    await client.connect(transport, { timeout: timeoutMs });
    const { tools } = await client.listTools(undefined, { timeout: timeoutMs });
    const server = client.getServerVersion();
    const versions = client.getDiscoverResult()?.supportedVersions ?? [client.getNegotiatedProtocolVersion() ?? 'unknown'];
    // Name and version come from the server and may be of any length, so they are cut to the limits of the status.
    return {
      name: (server?.name ?? 'unknown').slice(0, 200),
      version: (server?.version ?? 'unknown').slice(0, 100),
      protocolVersions: versions.slice(0, 20).map((version) => version.slice(0, 20)),
      tools: tools.length,
    };
  } catch (error) {
    throw new Failure('HandshakeFailed', `The MCP handshake at ${endpoints.mcp} failed: ${causeOf(error)}.`);
  } finally {
    await client.close().catch(() => {});
  }
}

const tooLong = (url: string): string =>
  `The MCP server at ${url} answered with more than ${mostBytes / 1024 / 1024} MiB: list fewer tools, or shorten their schemas.`;

const withoutSlash = (url: unknown): string => String(url).replace(/\/$/, '');

/** Cause of the error in one line. It never repeats what was sent. */
function causeOf(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown } })?.cause?.code;
  if (typeof cause === 'string') return cause;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  return message.split('\n')[0]?.slice(0, 200) ?? name;
}
