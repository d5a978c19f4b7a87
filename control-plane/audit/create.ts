import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { SigningKey } from '../../audit/signing-keys.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Access } from '../access/access.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import type { PodIdentity } from '../pods/identity.ts';
import type { Store } from '../store/store.ts';
import { ApiKeyUsage } from './api-key-usage.ts';
import { ChainReader } from './chain-reader.ts';
import { HeadSigner } from './head-signer.ts';
import { type IntakeLimitSettings, IntakeLimits } from './intake-limits.ts';
import { auditIntakeRoutes } from './intake-routes.ts';
import { Ledger } from './ledger.ts';
import { Listing } from './listing.ts';
import { Maintenance } from './maintenance.ts';
import { createAuditMetrics } from './metrics.ts';
import { OperatorIdentity } from './operator-identity.ts';
import { ReadSlots, readLimits } from './read-slots.ts';
import { Retention } from './retention.ts';
import { auditRoutes } from './routes.ts';

/** Intervals of the leading replica's signings and retention, in milliseconds. */
export interface AuditTuning {
  readonly signMs: number;
  readonly retentionMs: number;
}

export const auditTuning: AuditTuning = { signMs: 60_000, retentionMs: 3_600_000 };

export interface AuditSettings extends IntakeLimitSettings {
  /** Path of the Ed25519 private key (PEM) that signs the heads of the chains. */
  readonly keyFile: string;
  readonly retentionDays: number;
}

export interface AuditParts {
  readonly settings: AuditSettings;
  /** `<namespace>/<name>` of the operator's ServiceAccount. */
  readonly operatorAccount: string;
  readonly store: Store;
  readonly client: KubeClient;
  readonly directory: TenantDirectory;
  readonly access: Access;
  readonly pods: PodIdentity;
  readonly limits: RateLimits;
  /** Throws once this replica no longer leads. */
  readonly assertLeading: () => void;
  readonly log: Logger;
  readonly registry: Registry;
  readonly tuning: AuditTuning;
}

/** The audit except the recording of administrators' actions. */
export interface AuditPart {
  routes(app: FastifyInstance): void;
  /** Reads the signing key. Call it before serving. @throws Error that names the fault of the key. */
  loadKey(): void;
  /** Runs the work of the leading replica. */
  lead(signal: AbortSignal): Promise<void>;
}

/** Creates the audit without reading the key or the database. */
export function createAudit(parts: AuditParts): AuditPart {
  const { settings, operatorAccount, store, client, directory, access, pods, limits, assertLeading, log, registry, tuning } = parts;
  const { db } = store;
  const ledger = new Ledger(db);
  const usage = new ApiKeyUsage(db);
  const operator = new OperatorIdentity(client, operatorAccount, limits);
  const metrics = createAuditMetrics(registry);
  let key: SigningKey | undefined;
  const loaded = (): SigningKey => {
    key ??= readKey(settings.keyFile);
    return key;
  };
  return {
    routes(app) {
      const slots = new ReadSlots(readLimits);
      auditRoutes(app, {
        access,
        directory,
        listing: new Listing(db),
        reader: new ChainReader(db),
        key: loaded,
        slots,
        now: () => new Date(),
      });
      const limits = new IntakeLimits(settings, () => performance.now());
      auditIntakeRoutes(app, { ledger, usage, limits, metrics, pods, operator, directory, now: Date.now });
    },
    loadKey() {
      loaded();
    },
    async lead(signal) {
      await store.untilMigrated(signal);
      const signing = { db, key: loaded(), assertLeading };
      const signer = new HeadSigner({ ...signing, log });
      const retention = new Retention({ ...signing, days: settings.retentionDays, batch: 1_000 });
      await new Maintenance({ signer, retention, metrics, log, ...tuning }).run(signal);
    },
  };
}

function readKey(file: string): SigningKey {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new Error(`TENANTRY_AUDIT_KEY_FILE cannot be read (${code}). Create a key with \`openssl genpkey -algorithm ed25519\``);
  }
  try {
    return new SigningKey(pem);
  } catch (error) {
    throw new Error(`TENANTRY_AUDIT_KEY_FILE ${error instanceof Error ? error.message : 'is not valid'}`);
  }
}
