import type { Child } from '../objects/child.ts';
import type { Blueprint } from './blueprint.ts';
import { renderDomainRoutes } from './domain-route.ts';
import { renderLimits, renderNamespace, renderQuota, renderSecretsAccess, renderServiceAccount } from './namespace.ts';
import { renderNetworkPolicy } from './network.ts';
import { renderRoute } from './route.ts';
import { renderDeployment, renderMigration, renderService } from './workload.ts';

/** All objects of a tenant except its Secrets, in the order in which they are applied. */
export interface Rendered {
  /** Objects that must exist before anything runs. */
  readonly foundation: readonly Child[];
  /** Must have succeeded before the workload is applied. */
  readonly migration: Child | undefined;
  readonly workload: readonly Child[];
}

export function renderTenant(blueprint: Blueprint): Rendered {
  return {
    foundation: [
      renderNamespace(blueprint.tenant),
      renderSecretsAccess(blueprint.tenant, blueprint.settings),
      renderServiceAccount(blueprint),
      renderLimits(blueprint),
      renderQuota(blueprint),
      renderNetworkPolicy(blueprint),
      renderService(blueprint),
      renderRoute(blueprint),
      ...renderDomainRoutes(blueprint),
    ],
    migration: renderMigration(blueprint),
    workload: [renderDeployment(blueprint)],
  };
}
