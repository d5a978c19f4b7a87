/**
 * Refuses the removal of the installation while Tenants exist. The removal of the custom resources would delete all of them, and without
 * the operator their databases and routes would not be cleaned up. Exits 0 if no Tenants exist.
 */
import type { Tenant } from '../crds/tenant.ts';
import { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { kinds } from '../kube/resources.ts';

const client = KubeClient.fromConfig({ userAgent: 'tenantry-uninstall-check' });
try {
  const { items } = await client.list<Tenant>(kinds.Tenant, { limit: 20 });
  if (items.length > 0) {
    const names = items.map(({ metadata }) => metadata.name);
    console.error(
      `Tenants still exist: ${names.join(', ')}${items.length === 20 ? ', ...' : ''}. Delete them first (kubectl delete tenants --all), and wait until they are gone.\n` +
        'A tenant without deletionPolicy: delete keeps its database. Nothing has been removed.',
    );
    process.exitCode = 1;
  }
} catch (error) {
  // Without the custom resource no Tenants exist.
  if (!isNotFound(error)) {
    console.error(`Whether Tenants exist could not be told: ${(error as Error).message}`);
    process.exitCode = 1;
  }
} finally {
  await client.close();
}
