import type { TenantSpec, TenantStatus } from '../../crds/tenant.ts';
import type { Cluster } from './cluster.ts';
import type { Commands } from './commands.ts';
import type { Outside } from './outside.ts';

/** A Tenant as read from the cluster or the control plane. */
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

/** The input of a walk. */
export interface Scene {
  readonly tenant: KnownTenant | undefined;
  /** Why the tenant could be read neither from the cluster nor from the control plane. */
  readonly unknownBecause: string;
  /** URL of the MCP endpoint; undefined if the tenant has none yet. */
  readonly url: string | undefined;
  /** Custom host name to diagnose, if given. */
  readonly domain: string | undefined;
  readonly cluster: Cluster | undefined;
  /** Why the cluster is not read. */
  readonly noClusterBecause: string;
  /** The tenant's endpoint as clients see it; undefined without a URL. */
  readonly outside: Outside | undefined;
  readonly controlPlane: ControlPlaneView;
  /** Commands for remedies in this installation. */
  readonly commands: Commands;
  /** Token or API key of a client of the tenant, if given. */
  readonly token: string | undefined;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

export interface ControlPlaneView {
  /** Base URL; undefined if no control plane is configured. */
  readonly url: string | undefined;
  /** The answer of `/readyz`. @throws Error without an answer */
  readonly ready: () => Promise<{ readonly status: number; readonly text: string }>;
  /** The issuer of users' tokens; undefined if the control plane does not return it. */
  readonly issuer: () => Promise<string | undefined>;
}
