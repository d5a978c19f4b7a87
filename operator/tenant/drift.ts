import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import { readQuantity } from '../../crds/quantity.ts';
import type { KubeObject } from '../../kube/resources.ts';
import type { Child } from '../objects/child.ts';

/** Holds the hash of the last applied state. A key that was removed from the plan shows only in this hash. */
const appliedAnnotation = 'tenantry.dev/applied';

/** Hash of the state that was last applied to a live object; undefined if none was. */
export const appliedTo = (live: KubeObject | undefined): string | undefined => live?.metadata.annotations?.[appliedAnnotation];

/** The child in the form that is sent to the API server. */
export function marked(child: Child): KubeObject {
  const { metadata } = child.object;
  const hash = createHash('sha256').update(canonicalJson(child.object)).digest('hex').slice(0, 16);
  return { ...child.object, metadata: { ...metadata, annotations: { ...metadata.annotations, [appliedAnnotation]: hash } } };
}

/** Whether `live` has every value of `wanted`. Additions by others and defaults of the API server are ignored. */
export function covers(live: unknown, wanted: unknown, path: readonly string[] = []): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) return coversList(live, wanted, path);
  if (wanted !== null && typeof wanted === 'object') {
    // The API server drops some empty objects.
    if (live === undefined) return Object.keys(wanted).length === 0;
    if (live === null || typeof live !== 'object') return false;
    return Object.entries(wanted).every(([key, value]) => covers((live as Record<string, unknown>)[key], value, [...path, key]));
  }
  return live === wanted || sameQuantity(live, wanted, path);
}

function coversList(live: unknown, wanted: readonly unknown[], path: readonly string[]): boolean {
  if (live === undefined) return wanted.length === 0;
  if (!Array.isArray(live)) return false;
  const key = mergeKeys.find((candidate) => wanted.length > 0 && wanted.every((element) => typeof keyed(element, candidate) === 'string'));
  if (key === undefined) return live.length === wanted.length && wanted.every((element, index) => covers(live[index], element, path));
  // Server-side apply merges lists of named elements by name. An injected container or another manager's condition must stay.
  return wanted.every((element) =>
    covers(
      live.find((candidate) => keyed(candidate, key) === keyed(element, key)),
      element,
      path,
    ),
  );
}

/** Fields by which the applied lists are merged. */
const mergeKeys = ['name', 'type'] as const;

function keyed(element: unknown, key: (typeof mergeKeys)[number]): unknown {
  return (element as Partial<Record<string, unknown>> | null | undefined)?.[key];
}

const quantityFields = new Set(['requests', 'limits', 'hard', 'default', 'defaultRequest', 'sizeLimit']);

/** Compares as quantities, because the API server normalizes them: 1000m becomes 1. */
function sameQuantity(live: unknown, wanted: unknown, path: readonly string[]): boolean {
  if (typeof live !== 'string' || typeof wanted !== 'string' || !path.some((part) => quantityFields.has(part))) return false;
  const value = readQuantity(live);
  return value !== undefined && value === readQuantity(wanted);
}
