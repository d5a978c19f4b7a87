import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import { pod } from '../../crds/names.ts';
import { kinds } from '../../kube/resources.ts';
import { type Child, child } from '../objects/child.ts';
import { selectorOf } from '../objects/names.ts';
import type { Blueprint } from './blueprint.ts';
import { renderMigrationPod, renderPodTemplate } from './pod.ts';

/**
 * The migration Job. Its name carries the hash of everything it runs with, so another template revision gets another Job and a Job that has
 * succeeded never runs again. Undefined if the template has no migration or the tenant no database.
 */
export function renderMigration(blueprint: Blueprint): Child | undefined {
  if (!blueprint.database || !blueprint.template.spec.database?.migration) return undefined;
  const template = renderMigrationPod(blueprint);
  const hash = createHash('sha256')
    .update(canonicalJson([template, blueprint.secretsFingerprint]))
    .digest('hex')
    .slice(0, 10);
  return child(
    blueprint.tenant,
    kinds.Job,
    `migrate-${hash}`,
    { spec: { backoffLimit: 3, activeDeadlineSeconds: 900, template } },
    'migration',
  );
}

export function renderDeployment(blueprint: Blueprint): Child {
  const { tenant } = blueprint;
  return child(
    tenant,
    kinds.Deployment,
    'stack',
    {
      spec: {
        replicas: tenant.spec.suspended ? 0 : (tenant.spec.replicas ?? 1),
        revisionHistoryLimit: 2,
        progressDeadlineSeconds: 300,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: selectorOf(tenant) },
        template: renderPodTemplate(blueprint),
      },
    },
    'stack',
  );
}

export function renderService(blueprint: Blueprint): Child {
  return child(blueprint.tenant, kinds.Service, 'stack', {
    spec: { selector: selectorOf(blueprint.tenant), ports: [{ name: 'mcp', port: pod.sidecarPort, targetPort: 'mcp' }] },
  });
}
