import type { FastifyInstance } from 'fastify';
import type { Addressing } from '../../crds/names.ts';
import type { Access } from '../access/access.ts';
import type { ApiKeyUsage } from '../audit/api-key-usage.ts';
import type { Idempotency } from '../idempotency/idempotency.ts';
import { actionRoutes } from './action-routes.ts';
import { apiKeyRoutes } from './api-key-routes.ts';
import type { ApiKeys } from './api-keys.ts';
import { connectionRoutes } from './connection-routes.ts';
import { domainRoutes } from './domain-routes.ts';
import type { TenantEvents } from './events.ts';
import { serviceRoutes } from './service-routes.ts';
import { templateRoutes } from './template-routes.ts';
import type { Templates } from './templates.ts';
import { tenantRoutes } from './tenant-routes.ts';
import type { Tenants } from './tenants.ts';

export interface AdminParts {
  readonly access: Access;
  readonly tenants: Tenants;
  readonly events: TenantEvents;
  readonly templates: Templates;
  readonly apiKeys: ApiKeys;
  readonly usage: ApiKeyUsage;
  readonly idempotency: Idempotency;
  /** Addresses of tenants. */
  readonly addressing: Addressing;
  readonly now: () => Date;
}

/** Registers the routes of `/admin`. */
export function adminRoutes(app: FastifyInstance, parts: AdminParts): void {
  const { access, tenants, now } = parts;
  tenantRoutes(app, access, tenants, parts.events, parts.idempotency);
  actionRoutes(app, access, tenants, now);
  serviceRoutes(app, access, tenants);
  domainRoutes(app, access, tenants, now);
  connectionRoutes(app, access, tenants, parts.addressing);
  apiKeyRoutes(app, access, tenants, parts.apiKeys, parts.usage, now);
  templateRoutes(app, access, parts.templates);
}
