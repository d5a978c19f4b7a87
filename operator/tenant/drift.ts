import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import { readQuantity } from '../../crds/quantity.ts';
import type { KubeObject } from '../../kube/resources.ts';
import type { Child } from '../render/blueprint.ts';

/** Carries the hash of what was applied last: a key removed from the plan shows only there. */
const appliedAnnotation = 'tenantry.dev/applied';

/** Tells what was applied last to a live object; undefined where nothing was. */
export const appliedTo = (live: KubeObject | undefined): string | undefined => live?.metadata.annotations?.[appliedAnnotation];

/** The child as it is sent to the API server. */
export function marked(child: Child): KubeObject {
  const { metadata } = child.object;
  const hash = createHash('sha256').update(canonicalJson(child.object)).digest('hex').slice(0, 16);
  return { ...child.object, metadata: { ...metadata, annotations: { ...metadata.annotations, [appliedAnnotation]: hash } } };
}

/** Whether `live` has everything that `wanted` says. What others added to it does not matter; defaults of the API server neither. */
export function covers(live: unknown, wanted: unknown, path: readonly string[] = []): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) return coversList(live, wanted, path);
  if (wanted !== null && typeof wanted === 'object') {
    // The API server drops empty objects from some places.
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
  // Lists of named things are merged by name under server-side apply: an injected container or another's condition is not ours to remove.
  return wanted.every((element) =>
    covers(
      live.find((candidate) => keyed(candidate, key) === keyed(element, key)),
      element,
      path,
    ),
  );
}

/** Fields by which the lists we apply are merged. */
const mergeKeys = ['name', 'type'] as const;

function keyed(element: unknown, key: (typeof mergeKeys)[number]): unknown {
  return (element as Partial<Record<string, unknown>> | null | undefined)?.[key];
}

const quantityFields = new Set(['requests', 'limits', 'hard', 'default', 'defaultRequest', 'sizeLimit']);

/** The API server writes quantities its own way: 1000m becomes 1. */
function sameQuantity(live: unknown, wanted: unknown, path: readonly string[]): boolean {
  if (typeof live !== 'string' || typeof wanted !== 'string' || !path.some((part) => quantityFields.has(part))) return false;
  const value = readQuantity(live);
  return value !== undefined && value === readQuantity(wanted);
}
