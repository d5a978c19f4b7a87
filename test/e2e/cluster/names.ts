import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterDomain, tenantsDomain } from './addresses.ts';

/** Waits until this machine resolves names of Services and of tenants; kube-proxy may be a second behind CoreDNS. */
export async function untilNamesResolve(signal: AbortSignal): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  for (const name of [`kubernetes.default.svc.${clusterDomain}`, `any.${tenantsDomain}`]) {
    while ((await lookup(name).catch(() => undefined)) === undefined) {
      if (patience.aborted) throw new Error(`the cluster's DNS does not resolve ${name}`);
      await delay(50, undefined, { signal });
    }
  }
}
