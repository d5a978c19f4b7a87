import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { inject } from 'vitest';
import { type AdminApiClient, adminApiClient } from '../control-plane/client/client.ts';
import { namespaceOf } from '../crds/names.ts';
import type { Tenant } from '../crds/tenant.ts';
import { KubeClient } from '../kube/client.ts';
import { type KubeObject, kinds, type Resource } from '../kube/resources.ts';
import { isReady, untilTenant } from '../kube/until-tenant.ts';
import { findBinaries } from '../local/kubernetes/binaries.ts';
import type { TestContext } from './context.ts';

const run = promisify(execFile);
const password = 'correct horse battery staple';

/** Limits are there for what never comes. Where the machine is busy with something else, what comes may take several times as long. */
const patienceMs = 120_000;

export interface Member {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
}

/** The running system as a test sees and touches it. */
export class World {
  readonly context: TestContext = inject('tenantry');
  readonly kube: KubeClient = KubeClient.fromConfig({ kubeconfig: this.context.kubeconfig, userAgent: 'tenantry-test' });
  readonly admin: AdminApiClient = adminApiClient({ baseUrl: this.context.adminUrl, token: () => this.context.adminToken });

  /** A tenant's name that no other test uses. */
  name(prefix: string): string {
    return `${prefix}-${randomBytes(4).toString('hex')}`;
  }

  /** Runs the real kubectl; `input` goes to its standard input. Never rejects: exit code and output are the result. */
  async kubectl(args: readonly string[], input?: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const running = run(findBinaries().kubectl, ['--kubeconfig', this.context.kubeconfig, ...args], { maxBuffer: 10 << 20 });
    running.child.stdin?.end(input ?? '');
    return running.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code?: number; stdout?: string; stderr?: string }) => ({
        code: error.code ?? 1,
        stdout: error.stdout ?? '',
        stderr: error.stderr ?? '',
      }),
    );
  }

  /** An organization at WorkOS with one active member, made by its REST API. */
  async organization(name: string): Promise<{ organizationId: string; member: Member }> {
    const { id: organizationId } = await this.workos('POST', '/organizations', { name });
    return { organizationId, member: await this.member(organizationId) };
  }

  async member(organizationId: string, roleSlug = 'member'): Promise<Member> {
    const email = `${randomBytes(6).toString('hex')}@example.com`;
    const { id: userId } = await this.workos('POST', '/user_management/users', { email, password, email_verified: true });
    await this.workos('POST', '/user_management/organization_memberships', {
      user_id: userId,
      organization_id: organizationId,
      role_slug: roleSlug,
    });
    return { userId, email, password };
  }

  /** A token of a machine-to-machine application of the organization. */
  async machineToken(organizationId: string, scopes: readonly string[]): Promise<string> {
    const application = { name: 'Program', application_type: 'm2m', organization_id: organizationId, scopes };
    const { id, client_id } = await this.workos('POST', '/connect/applications', application);
    const { secret } = await this.workos('POST', `/connect/applications/${id}/client_secrets`, {});
    const response = await fetch(`${this.context.workos.issuer}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: String(client_id),
        client_secret: String(secret),
        scope: scopes.join(' '),
      }),
    });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  async workos(method: string, path: string, body?: object): Promise<{ id: string } & Record<string, unknown>> {
    const response = await fetch(`${this.context.workos.apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.context.workos.apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`WorkOS ${method} ${path} answered ${response.status}: ${await response.text()}`);
    return (response.status === 204 || response.headers.get('content-length') === '0' ? {} : await response.json()) as { id: string };
  }

  /** URIs registered as OAuth resources at WorkOS. */
  async oauthResources(): Promise<string[]> {
    const { data } = (await this.workos('GET', '/user_management/authkit_oauth_resources?limit=100')) as unknown as {
      data: { uri: string }[];
    };
    return data.map(({ uri }) => uri);
  }

  tenant(name: string): Promise<Tenant> {
    return this.kube.get<Tenant>(kinds.Tenant, name);
  }

  /** Waits until the tenant satisfies `condition`. */
  async until(name: string, condition: (tenant: Tenant) => boolean, timeoutMs = 90_000): Promise<Tenant> {
    const tenant = await untilTenant(this.kube, name, (current) => current !== undefined && condition(current), {
      timeoutMs: Math.max(timeoutMs, patienceMs),
    });
    if (!tenant) throw new Error(`tenant ${name} is gone`);
    return tenant;
  }

  ready(name: string): Promise<Tenant> {
    return this.until(name, isReady);
  }

  async gone(name: string): Promise<void> {
    await untilTenant(this.kube, name, (current) => current === undefined, { timeoutMs: patienceMs });
  }

  /** Waits until the object satisfies `condition`; undefined stands for an object that is not there. */
  async object<T extends KubeObject>(
    resource: Resource,
    name: string,
    namespace: string | undefined,
    condition: (object: T | undefined) => boolean,
    timeoutMs = 60_000,
  ): Promise<T | undefined> {
    return this.eventually(`${resource.kind} ${name}`, timeoutMs, async () => {
      const object = await this.kube.find<T>(resource, name, namespace === undefined ? {} : { namespace });
      return condition(object) ? { object } : undefined;
    }).then(({ object }) => object);
  }

  /** Looks again and again until `look` finds something. For what cannot be watched; it ends as soon as it is true. */
  async eventually<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
    const patience = Math.max(timeoutMs, patienceMs);
    const deadline = Date.now() + patience;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`${what} did not come about within ${patience / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** A Secret of a tenant, decoded. */
  async secret(tenant: string, name: string): Promise<Record<string, string>> {
    const { data = {} } = await this.kube.get<KubeObject & { data?: Record<string, string> }>(kinds.Secret, name, {
      namespace: namespaceOf(tenant),
    });
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
  }

  /** Process id of a container of the tenant's pod. */
  async processOf(tenant: string, container: string): Promise<number> {
    type Statuses = { name: string; containerID?: string; state?: { running?: object } }[];
    type PodObject = KubeObject & { status?: { containerStatuses?: Statuses; initContainerStatuses?: Statuses } };
    return this.eventually(`container ${container} of ${tenant}`, 60_000, async () => {
      const { items } = await this.kube.list<PodObject>(kinds.Pod, {
        namespace: namespaceOf(tenant),
        labelSelector: 'app.kubernetes.io/component=stack',
      });
      const statuses = items
        .filter((pod) => pod.metadata.deletionTimestamp === undefined)
        .flatMap((pod) => [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]);
      const running = statuses.find((status) => status.name === container && status.state?.running !== undefined);
      const pid = Number(/^process:\/\/(\d+)/.exec(running?.containerID ?? '')?.[1]);
      return Number.isInteger(pid) ? pid : undefined;
    });
  }

  /** Enters TXT records of a name into the DNS that the operator asks, or removes them. */
  setTxt(name: string, ...texts: string[]): void {
    const file = join(this.context.folder, 'dns', name);
    if (texts.length === 0) rmSync(file, { force: true });
    else writeFileSync(file, texts.join('\n'));
  }

  /** Runs one query as PostgreSQL's superuser. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const connection = new pg.Client({ connectionString: this.context.postgresUrl });
    await connection.connect();
    try {
      return (await connection.query<Row>(text, values)).rows;
    } finally {
      await connection.end();
    }
  }

  /** Removes the tenants a test made and waits until they are gone. */
  async remove(...names: string[]): Promise<void> {
    for (const name of names) await this.kube.delete(kinds.Tenant, name);
    for (const name of names) await this.gone(name);
  }
}
