import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { DomainClaim } from '../../crds/domains.ts';
import { annotations, apiVersion, labels } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller } from '../../kube/controller.ts';
import { KubeError } from '../../kube/errors.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { backoffMs } from '../../net/backoff.ts';
import { isInstallations } from '../installation/domain-endpoints.ts';
import type { Settings } from '../installation/settings.ts';
import { fieldManager } from '../objects/names.ts';
import type { LookUp, Proof } from './proof.ts';

/** Delays between look-ups. A record is often entered within minutes. If it is not, it may never be entered. */
const patience = { firstMs: 30_000, tries: 10, maxMs: 600_000 };

export interface DomainClaimsOptions {
  readonly client: KubeClient;
  readonly settings: Settings;
  readonly registry: Registry;
  readonly log: Logger;
  readonly lookUp: LookUp;
  readonly tenant: (name: string) => Tenant | undefined;
  readonly tenants: () => readonly Tenant[];
  /** Called with the name of a tenant when the result for one of its domains changed. */
  readonly onChange: (tenant: string) => void;
  readonly onError: (kind: string, error: unknown) => void;
}

/** Looks up the DNS records of tenants' custom domains. Claims each domain for the tenant that has proved its ownership. */
export class DomainClaims {
  readonly #options: DomainClaimsOptions;
  readonly #controller: Controller;
  readonly #claims: Reflector<DomainClaim>;
  readonly #byTenant = new Map<string, Map<string, DomainClaim>>();
  /** By `<tenant UID>/<domain>`: the result of the last look-up, and the number of look-ups without a proof. */
  readonly #proofs = new Map<string, { readonly proof: Proof; readonly tries: number }>();

  constructor(options: DomainClaimsOptions) {
    this.#options = options;
    const { client, registry, log, onChange, onError, tenants } = options;
    this.#controller = new Controller({
      name: 'domain',
      registry,
      log,
      workers: 4,
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
    this.#claims = new Reflector<DomainClaim>({
      client,
      resource: kinds.DomainClaim,
      onError: (error) => onError('DomainClaim', error),
      onChange: (domain, current, previous) => {
        this.#index(domain, current, previous);
        for (const { metadata, spec } of tenants()) {
          if (!spec.domains?.includes(domain)) continue;
          this.#controller.add(`${metadata.name}/${domain}`);
          onChange(metadata.name);
        }
      },
    });
  }

  /** Resolves once all claims are listed. */
  start(signal: AbortSignal): Promise<void> {
    return this.#claims.start(signal);
  }

  get synced(): boolean {
    return this.#claims.synced;
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** Looks up a tenant's domains at once when the Tenant's domains or its annotation `verify-domains` changed. */
  consider(current: Tenant | undefined, previous: Tenant | undefined): void {
    const { uid, name } = (current ?? previous)?.metadata ?? { name: '' };
    const asked = (tenant: Tenant | undefined): string =>
      JSON.stringify([tenant?.metadata.uid, tenant?.spec.domains ?? [], tenant?.metadata.annotations?.[annotations.verifyDomains]]);
    if (asked(current) === asked(previous)) return;
    for (const domain of new Set([...(previous?.spec.domains ?? []), ...(current?.spec.domains ?? [])])) {
      this.#proofs.delete(`${uid}/${domain}`);
      if (current?.spec.domains?.includes(domain)) this.#controller.add(`${name}/${domain}`);
    }
  }

  claim(domain: string): DomainClaim | undefined {
    return this.#claims.get(domain);
  }

  claimsOf(tenantUid: string): DomainClaim[] {
    return [...(this.#byTenant.get(tenantUid)?.values() ?? [])];
  }

  /** Result of the last DNS look-up; undefined before the first one of this process. */
  proof(tenantUid: string, domain: string): Proof | undefined {
    return this.#proofs.get(`${tenantUid}/${domain}`)?.proof;
  }

  #index(domain: string, current: DomainClaim | undefined, previous: DomainClaim | undefined): void {
    const uid = (current ?? previous)?.spec.tenantUid ?? '';
    const claims = this.#byTenant.get(uid) ?? new Map<string, DomainClaim>();
    if (current) claims.set(domain, current);
    else claims.delete(domain);
    if (claims.size > 0) this.#byTenant.set(uid, claims);
    else this.#byTenant.delete(uid);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const [name = '', domain = ''] = key.split('/');
    const { client, settings, lookUp, log, onChange } = this.#options;
    const tenant = this.#options.tenant(name);
    const { uid = '', deletionTimestamp, annotations: set } = tenant?.metadata ?? {};
    const wanted = tenant?.spec.domains?.includes(domain) && deletionTimestamp === undefined;
    if (!tenant || !wanted || this.claim(domain) || isInstallations(domain, settings.addressing)) return undefined;
    if (set?.[annotations.reconcile] === 'paused') return patience.firstMs;
    const before = this.#proofs.get(`${uid}/${domain}`);
    const proof = await lookUp(uid, domain, signal);
    const tries = (before?.tries ?? 0) + 1;
    this.#proofs.set(`${uid}/${domain}`, { proof, tries });
    if (proof === 'proved') {
      try {
        await client.create(kinds.DomainClaim, claimFor(tenant, domain), { fieldManager, signal });
        log.info({ tenant: name, domain }, 'domain claimed');
      } catch (error) {
        // Another tenant was faster. The watch reports its claim.
        if (!(error instanceof KubeError) || error.reason !== 'AlreadyExists') throw error;
      }
      return patience.firstMs;
    }
    if (JSON.stringify(before?.proof) !== JSON.stringify(proof)) onChange(name);
    return backoffMs(patience, tries - patience.tries + 1);
  }
}

/** The Tenant owns the claim, so the claim is deleted even when the Tenant's finalizers were removed by hand. */
function claimFor({ metadata: { name, uid = '' } }: Tenant, domain: string): KubeObject & { spec: DomainClaim['spec'] } {
  return {
    metadata: {
      name: domain,
      labels: { [labels.managedBy]: 'tenantry', [labels.tenant]: name, [labels.tenantUid]: uid },
      ownerReferences: [{ apiVersion, kind: 'Tenant', name, uid }],
    },
    spec: { tenant: name, tenantUid: uid },
  };
}
