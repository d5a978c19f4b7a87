import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { revisionName, revisionOf, type StackTemplate, type StackTemplateRevision } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller } from '../../kube/controller.ts';
import { KubeError } from '../../kube/errors.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../objects/names.ts';

/** Number of revisions of a template that are kept even if no tenant runs them. */
const kept = 10;
const sweepMs = 10 * 60_000;

/**
 * Stores each state of a StackTemplate as a StackTemplateRevision, so that a tenant can stay with it. Of the revisions that no tenant runs,
 * only the latest are kept.
 */
export class TemplateRevisions {
  readonly #client: KubeClient;
  readonly #templates: Reflector<StackTemplate>;
  readonly #revisions: Reflector<StackTemplateRevision>;
  readonly #tenants: () => readonly Tenant[];
  readonly #controller: Controller;
  readonly #log: Logger;

  constructor(options: {
    client: KubeClient;
    registry: Registry;
    log: Logger;
    tenants: () => readonly Tenant[];
    /** Called with the name of a template when its contents or revisions changed. */
    onChange: (template: string) => void;
    onError: (kind: string, error: unknown) => void;
  }) {
    const { client, registry, log, tenants, onChange, onError } = options;
    this.#client = client;
    this.#tenants = tenants;
    this.#log = log;
    this.#controller = new Controller({
      name: 'template',
      registry,
      log,
      workers: 1,
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
    const changed = (template: string | undefined): void => {
      if (template === undefined) return;
      this.#controller.add(template);
      onChange(template);
    };
    this.#templates = new Reflector<StackTemplate>({
      client,
      resource: kinds.StackTemplate,
      onChange: (key, current, previous) => {
        if (current && current.metadata.generation === previous?.metadata.generation) return;
        changed(key);
      },
      onError: (error) => onError('StackTemplate', error),
    });
    this.#revisions = new Reflector<StackTemplateRevision>({
      client,
      resource: kinds.StackTemplateRevision,
      onChange: (_key, current, previous) => changed((current ?? previous)?.spec.template),
      onError: (error) => onError('StackTemplateRevision', error),
    });
  }

  /** Resolves once both kinds are listed. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#templates.start(signal), this.#revisions.start(signal)]);
  }

  get synced(): boolean {
    return this.#templates.synced && this.#revisions.synced;
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  /** The template with its present contents. */
  newest(template: string): StackTemplate | undefined {
    return this.#templates.get(template);
  }

  /** Revisions of a template, latest first. A revision whose contents were changed is left out. */
  of(template: string): StackTemplateRevision[] {
    return this.#revisions
      .list()
      .filter(({ spec, metadata }) => spec.template === template && metadata.name === revisionName(template, spec.revision))
      .filter(({ spec }) => revisionOf(spec.spec) === spec.revision)
      .sort(byAge);
  }

  async #reconcile(template: string, signal: AbortSignal): Promise<number> {
    const contents = this.newest(template)?.spec;
    const revision = contents && revisionOf(contents);
    if (contents && revision && !this.of(template).some(({ spec }) => spec.revision === revision)) {
      await this.#create(revisionName(template, revision), { template, revision, spec: contents }, signal);
      this.#log.info({ template, revision }, 'template revision kept');
    }
    const used = new Set(
      this.#tenants()
        .filter(({ spec }) => spec.template.name === template)
        .flatMap(({ spec, status }) => [spec.template.revision, status?.template?.revision]),
    );
    for (const { metadata, spec } of this.of(template).slice(kept)) {
      if (spec.revision === revision || used.has(spec.revision)) continue;
      await this.#client.delete(kinds.StackTemplateRevision, metadata.name, { ...(metadata.uid ? { uid: metadata.uid } : {}), signal });
    }
    return sweepMs;
  }

  async #create(name: string, spec: StackTemplateRevision['spec'], signal: AbortSignal): Promise<void> {
    const object: KubeObject & { spec: object } = { metadata: { name }, spec };
    // A changed revision occupies the name of the original, so it is deleted first.
    const changed = this.#revisions.get(name)?.metadata.uid;
    if (changed !== undefined) await this.#client.delete(kinds.StackTemplateRevision, name, { uid: changed, signal });
    try {
      await this.#client.create(kinds.StackTemplateRevision, object, { fieldManager, signal });
    } catch (error) {
      if (!(error instanceof KubeError) || error.reason !== 'AlreadyExists') throw error;
    }
  }
}

/**
 * Sorts the latest first. Times have whole seconds, so the resource version decides between equal times. A revision never changes, so its
 * version is that of its creation.
 */
function byAge({ metadata: a }: StackTemplateRevision, { metadata: b }: StackTemplateRevision): number {
  const seconds = Date.parse(b.creationTimestamp ?? '') - Date.parse(a.creationTimestamp ?? '');
  return seconds || Number(BigInt(b.resourceVersion ?? '0') - BigInt(a.resourceVersion ?? '0'));
}
