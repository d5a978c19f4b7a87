import type { Environment } from '../runtime/environment.ts';
import { createLogger } from '../runtime/logging.ts';
import { untilStopped } from '../runtime/shutdown.ts';
import { AuditTrail } from './audit/audit-trail.ts';
import { ApiKeys } from './auth/api-keys.ts';
import { Authorizer } from './auth/authorizer.ts';
import { ControlPlane } from './auth/control-plane.ts';
import { KeyUses } from './auth/key-uses.ts';
import { Memberships } from './auth/memberships.ts';
import { SigningKeys } from './auth/signing-keys.ts';
import { Sites } from './auth/sites.ts';
import { upstreamCredentials } from './auth/upstream-credentials.ts';
import { RequestGuard } from './http/request-guard.ts';
import { Upstream } from './http/upstream.ts';
import { McpEndpoint } from './mcp-endpoint.ts';
import { createMetrics } from './metrics.ts';
import { PublicApi } from './public-api.ts';
import { readSettings, type Settings } from './settings/settings.ts';
import { Sidecar } from './sidecar.ts';
import { ApiReporter } from './tools/api-report.ts';
import { ToolCaller } from './tools/tool-call.ts';
import { ToolSource } from './tools/tool-source.ts';

/** Longest time the last records get to reach the control plane: with {@link drainMs} and preStop within Kubernetes' 30 s of grace. */
const auditFlushMs = 8_000;

/** The MCP sidecar: turns any HTTP API with an OpenAPI document into an MCP server for one tenant. */
export async function mcp(environment: Environment): Promise<void> {
  const logger = createLogger(environment, 'mcp');
  const settings = readSettings(environment);
  const metrics = createMetrics();
  const upstream = new Upstream(settings.upstreamUrl);
  const credentials = await upstreamCredentials(settings);
  const source = new ToolSource({
    upstream,
    url: new URL(settings.openapiPath, settings.upstreamUrl),
    credentials,
    selection: settings.selection,
    logger,
    now: () => performance.now(),
    onChange: () => endpoint.toolsChanged(),
  });
  const controlPlane = new ControlPlane(settings.controlPlane);
  const keyUses = new KeyUses(Date.now);
  const audit = new AuditTrail({
    dir: settings.auditSpoolDir,
    send: (records, keys, signal) => controlPlane.audit(records, keys, signal),
    keyUses,
    clock: Date.now,
    logger,
  });
  metrics.watchAudit(audit);
  const caller = new ToolCaller({ upstream, credentials, logger, onDoubt: () => source.recheck() });
  const { tenant, displayName } = settings;
  const endpoint = new McpEndpoint({ tenant, displayName, source, caller, audit, metrics, logger });
  const sidecar = new Sidecar({
    sites: new Sites(settings),
    guard: new RequestGuard([settings.mcpUrl, ...(settings.apiUrl ? [settings.apiUrl] : []), ...settings.domains], settings.host),
    authorizer: createAuthorizer(settings, controlPlane, keyUses),
    endpoint,
    publicApi: new PublicApi({ upstream, credentials }),
    source,
    reporter: new ApiReporter({ upstream, source, readyPath: settings.readyPath, now: () => performance.now() }),
    selection: settings.selection,
    metrics,
    logger,
  });
  await sidecar.listen(settings.host, settings.port);
  logger.info({ mcpUrl: settings.mcpUrl.href, apiUrl: settings.apiUrl?.href, domains: settings.domains.length }, 'listening');
  const stopped = new AbortController();
  const running = Promise.all([source.run(stopped.signal), audit.run(stopped.signal)]);
  await untilStopped(logger, async (deadline) => {
    await sidecar.stop(deadline);
    stopped.abort();
    await running;
    await audit.close(AbortSignal.timeout(auditFlushMs));
    await upstream.close();
    await controlPlane.close();
  });
}

function createAuthorizer({ apiKeysFile, oauth }: Settings, controlPlane: ControlPlane, keyUses: KeyUses): Authorizer {
  const apiKeys = new ApiKeys(apiKeysFile);
  const onKeyUse = (id: string) => keyUses.note(id);
  if (oauth === undefined) return new Authorizer({ apiKeys, onKeyUse });
  return new Authorizer({
    apiKeys,
    onKeyUse,
    oauth: {
      ...oauth,
      keys: new SigningKeys({ fetch: () => controlPlane.jwks() }),
      memberships: new Memberships({ ask: (userId) => controlPlane.membership(userId), now: () => performance.now(), random: Math.random }),
    },
  });
}
