import { labels } from '../../crds/names.ts';
import { type KubeObject, keyOf, type Resource } from '../../kube/resources.ts';
import type { Child } from '../objects/child.ts';
import { routeKinds } from '../objects/kinds.ts';
import type { Rendered } from '../render/tenant.ts';
import { covers, marked } from './drift.ts';

export type Action =
  | { readonly verb: 'apply'; readonly resource: Resource; readonly object: KubeObject }
  | { readonly verb: 'delete'; readonly resource: Resource; readonly object: KubeObject };

/** A live object and its resource. */
export interface Live {
  readonly resource: Resource;
  readonly object: KubeObject;
}

export type MigrationState = 'none' | 'absent' | 'running' | 'succeeded' | 'failed';

/**
 * The actions that turn `live` into `rendered`. Pure. After the actions are applied, the next plan is empty. The workload waits until the
 * migration has succeeded. A route of the former kind is deleted once the new route is `routed`, so that one of them always leads to the
 * tenant.
 */
export function plan(
  rendered: Rendered,
  live: readonly Live[],
  uid: string,
  routed: boolean,
): { actions: Action[]; migration: MigrationState } {
  const byKey = new Map(live.map((entry) => [identify(entry), entry.object]));
  const migration = migrationState(rendered.migration, byKey);
  const actions: Action[] = [];
  const applyWhereNeeded = (child: Child): void => {
    const object = marked(child);
    if (!covers(byKey.get(identify(child)), object)) actions.push({ verb: 'apply', resource: child.resource, object });
  };
  rendered.foundation.forEach(applyWhereNeeded);
  // A Job is immutable. Its name stands for its contents, so only its presence is checked.
  if (rendered.migration && migration === 'absent') actions.push({ verb: 'apply', ...withMark(rendered.migration) });
  const unwanted = prunable(rendered, live, uid);
  const isRoute = ({ resource }: Action): boolean => routeKinds.includes(resource);
  if (routed) actions.push(...unwanted.filter(isRoute));
  if (migration === 'none' || migration === 'succeeded') {
    rendered.workload.forEach(applyWhereNeeded);
    actions.push(...unwanted.filter((action) => !isRoute(action)));
  }
  return { actions, migration };
}

function withMark(child: Child): { resource: Resource; object: KubeObject } {
  return { resource: child.resource, object: marked(child) };
}

function prunable(rendered: Rendered, live: readonly Live[], uid: string): Action[] {
  const wanted = new Set([...rendered.foundation, ...(rendered.migration ? [rendered.migration] : []), ...rendered.workload].map(identify));
  return live
    .filter((entry) => !wanted.has(identify(entry)))
    .filter(({ object }) => object.metadata.labels?.[labels.tenantUid] === uid && object.metadata.deletionTimestamp === undefined)
    .map(({ resource, object }) => ({ verb: 'delete', resource, object }));
}

function migrationState(migration: Child | undefined, byKey: ReadonlyMap<string, KubeObject>): MigrationState {
  if (!migration) return 'none';
  const job = byKey.get(identify(migration)) as (KubeObject & JobStatus) | undefined;
  if (!job || job.metadata.deletionTimestamp !== undefined) return 'absent';
  const holds = (type: string): boolean => job.status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
  if (holds('Complete')) return 'succeeded';
  return holds('Failed') ? 'failed' : 'running';
}

interface JobStatus {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function identify({ resource, object }: { resource: Resource; object: KubeObject }): string {
  return `${resource.kind}/${keyOf(object)}`;
}
