import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { KubeError } from '../../../kube/errors.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { causeOf } from '../cause.ts';
import { broken, type Link, notChecked, ok } from '../link.ts';
import type { Scene } from '../scene.ts';

const timeoutMs = 10_000;

/** Does the MCP handshake and lists the tools, as an LLM client does. */
export const handshakeLink: Link = {
  name: 'handshake',
  needs: ['dns', 'tcp', 'tls', 'route', 'pod'],
  async check(scene) {
    const { outside, tenant, commands, signal } = scene;
    if (outside === undefined) return notChecked('the tenant has no URL yet');
    if (outside.notSecret !== undefined) return notChecked(outside.notSecret);
    const verified = tenant?.status.conditions?.find(({ type }) => type === 'Verified');
    const seen =
      verified === undefined ? [] : [`the operator's own: Verified=${verified.status} (${verified.reason}): ${verified.message}`];
    const credential = await credentialOf(scene);
    if (credential === undefined)
      return notChecked('it takes a token that is accepted (--token-file), or a kubeconfig that may read the tenant’s Secrets', seen);
    const client = new Client({ name: 'tenantry-diagnose', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const transport = new StreamableHTTPClientTransport(outside.url, {
      fetch: (input, init) =>
        outside.fetch(input, {
          ...init,
          // The token is sent only to this URL.
          redirect: 'error',
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs), ...(init?.signal ? [init.signal] : [])]),
        }),
      requestInit: { headers: { authorization: `Bearer ${credential.token}` } },
    });
    try {
      await client.connect(transport, { timeout: timeoutMs });
      const { tools } = await client.listTools(undefined, { timeout: timeoutMs });
      const server = client.getServerVersion();
      return ok(
        `${credential.whose}: ${server?.name ?? 'unnamed'} ${server?.version ?? ''}, protocol ${client.getNegotiatedProtocolVersion() ?? 'unknown'}, ${tools.length} tools`,
        ...seen,
      );
    } catch (error) {
      signal.throwIfAborted();
      return broken(
        `with ${credential.whose}: ${causeOf(error)}`,
        'The sidecar’s log says what it refused or could not reach: the API behind it, or its OpenAPI document.',
        seen,
        tenant === undefined ? [] : [commands.sidecarLog(tenant.name)],
      );
    } finally {
      await client.close().catch(() => {});
    }
  },
};

interface Credential {
  readonly token: string;
  readonly whose: string;
}

/** The user's token if the endpoint accepts it. Otherwise the operator's probe key, if the kubeconfig may read it. */
async function credentialOf({ token, outside, cluster, tenant }: Scene): Promise<Credential | undefined> {
  if (token !== undefined && (await outside?.askForTools(token))?.status === 200) return { token, whose: 'the token that was given' };
  if (cluster === undefined || tenant === undefined) return undefined;
  try {
    const secret = await cluster.find<KubeObject & { data?: Record<string, string> }>(kinds.Secret, 'tenantry-credentials', tenant.name);
    const key = Buffer.from(secret?.data?.['probeKey'] ?? '', 'base64').toString('utf8');
    return key === '' ? undefined : { token: key, whose: 'the operator’s probe key' };
  } catch (error) {
    if (error instanceof KubeError) return undefined;
    throw error;
  }
}
