import type { TenantSpec, TenantStatus } from '../../crds/tenant.ts';
import type { Cluster } from './cluster.ts';
import type { Commands } from './commands.ts';
import type { Outside } from './outside.ts';

/** A Tenant as the cluster or the control plane tells it. */
export interface KnownTenant {
  readonly name: string;
  readonly source: 'cluster' | 'control plane';
  readonly generation: number | undefined;
  readonly createdAt: string | undefined;
  readonly deletedAt: string | undefined;
  readonly paused: boolean;
  readonly spec: TenantSpec;
  readonly status: TenantStatus;
}

/** What a walk begins with. */
export interface Scene {
  readonly tenant: KnownTenant | undefined;
  /** Why neither cluster nor control plane tell of the tenant. */
  readonly unknownBecause: string;
  /** URL of the MCP endpoint that is looked at; undefined where the tenant has none yet. */
  readonly url: string | undefined;
  /** Custom host name the walk is about, where it is about one. */
  readonly domain: string | undefined;
  readonly cluster: Cluster | undefined;
  /** Why the cluster is not looked into. */
  readonly noClusterBecause: string;
  /** The tenant's endpoint as clients see it; undefined without a URL. */
  readonly outside: Outside | undefined;
  readonly controlPlane: ControlPlaneView;
  /** Commands for this installation, for remedies. */
  readonly commands: Commands;
  /** Token or API key of a client of the tenant. */
  readonly token: string | undefined;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

export interface ControlPlaneView {
  /** Base URL; undefined where none is configured. */
  readonly url: string | undefined;
  /** What `/readyz` answered. @throws when nothing answers. */
  readonly ready: () => Promise<{ readonly status: number; readonly text: string }>;
  /** The issuer of the tenants' users' tokens, where the control plane tells it. */
  readonly issuer: () => Promise<string | undefined>;
}
