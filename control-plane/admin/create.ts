import type { Logger } from 'pino';
import type { Addressing } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Access } from '../access/access.ts';
import type { Audit } from '../audit/actions.ts';
import { ApiKeyUsage } from '../audit/api-key-usage.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import { Idempotency } from '../idempotency/idempotency.ts';
import type { Admins } from '../identity/admins.ts';
import type { Store } from '../store/store.ts';
import { ApiKeys } from './api-keys.ts';
import { TenantEvents } from './events.ts';
import type { AdminParts } from './routes.ts';
import { Templates } from './templates.ts';
import { Tenants } from './tenants.ts';

export interface AdminOptions {
  readonly client: KubeClient;
  readonly directory: TenantDirectory;
  readonly store: Store;
  readonly admins: Admins;
  readonly audit: Audit;
  /** Whether the organization exists at WorkOS. */
  readonly organizationExists: (id: string) => Promise<boolean>;
  readonly addressing: Addressing;
  readonly limits: RateLimits;
  readonly log: Logger;
  readonly now: () => Date;
  /** Ends background work. */
  readonly signal: AbortSignal;
}

/** Creates the parts of the Admin API. They send no request before they are used. */
export function createAdmin({
  client,
  directory,
  store,
  admins,
  audit,
  organizationExists,
  addressing,
  limits,
  log,
  now,
  signal,
}: AdminOptions): AdminParts {
  const tenants = new Tenants(client, directory, organizationExists, now);
  return {
    access: new Access(admins, audit, limits),
    tenants,
    events: new TenantEvents({ client, onError: (err) => log.warn({ err }, 'watch of events failed') }),
    templates: new Templates(client, directory, tenants),
    apiKeys: new ApiKeys(client),
    usage: new ApiKeyUsage(store.db),
    idempotency: new Idempotency({ db: store.db, log, now, signal }),
    addressing,
    now,
  };
}
