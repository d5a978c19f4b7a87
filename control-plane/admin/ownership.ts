import { isDeepStrictEqual } from 'node:util';
import type { Tenant } from '../../crds/tenant.ts';
import { isObject } from '../../json/object.ts';
import { escapePointer } from '../../json/pointer.ts';
import { fieldManager } from '../cluster/field-manager.ts';

/** Fields of another field manager, such as a GitOps tool, as pointers into the body of the Admin API. */
export interface ForeignFields {
  readonly manager: string;
  readonly pointers: readonly string[];
}

/** An entry of metadata.managedFields: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
interface ManagedFields {
  readonly manager?: string;
  readonly subresource?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
}

/** Field managers whose fields the Admin API changes without `force`: itself and the operator. */
const own: ReadonlySet<string> = new Set([fieldManager, 'tenantry-operator']);

/**
 * The fields of other field managers that `spec` and `labels`, both JSON merge patches, would change. Their managers could set the fields
 * back. A field that keeps its value is not changed.
 */
export function foreignFields(
  { metadata, spec }: Tenant,
  patch: { readonly spec?: unknown; readonly labels?: unknown },
): readonly ForeignFields[] {
  return managedFields(metadata).flatMap(({ manager = '', subresource, fieldsV1 }) => {
    if (own.has(manager) || subresource || fieldsV1 === undefined) return [];
    const inMetadata = fieldsV1['f:metadata'];
    const pointers = [
      ...(patch.spec === undefined ? [] : changed(fieldsV1['f:spec'], patch.spec, spec, '')),
      ...(patch.labels === undefined
        ? []
        : changed(isObject(inMetadata) ? inMetadata['f:labels'] : undefined, patch.labels, metadata.labels ?? {}, '/labels')),
    ];
    return pointers.length === 0 ? [] : [{ manager, pointers }];
  });
}

/** Whether the Admin API was the last to set this field of the spec. */
export function isStillOwn({ metadata }: Tenant, field: keyof Tenant['spec']): boolean {
  return managedFields(metadata).some(({ manager, subresource, fieldsV1 }) => {
    const inSpec = manager === fieldManager && !subresource ? fieldsV1?.['f:spec'] : undefined;
    return isObject(inSpec) && `f:${field}` in inSpec;
  });
}

function managedFields({ managedFields = [] }: Tenant['metadata']): readonly ManagedFields[] {
  return managedFields as readonly ManagedFields[];
}

/** Pointers to the parts that `fields` owns and that change when `patch` is merged into `current`. */
function changed(fields: unknown, patch: unknown, current: unknown, pointer: string): string[] {
  if (!isObject(fields)) return [];
  if (patch === null ? current === undefined : isDeepStrictEqual(patch, current)) return [];
  const whole = Object.keys(fields).length === 0;
  if (!whole && isObject(patch) && (isObject(current) || current === undefined)) {
    return Object.entries(patch).flatMap(([key, value]) =>
      changed(fields[`f:${key}`], value, isObject(current) ? current[key] : undefined, `${pointer}/${escapePointer(key)}`),
    );
  }
  if (!whole && Array.isArray(patch) && Array.isArray(current)) return ownedItemsLost(fields, patch, current) ? [pointer] : [];
  return [pointer];
}

/** Whether `patch` removes or changes an item that `fields` owns by value (`v:`) or by its keys (`k:`). */
function ownedItemsLost(fields: Readonly<Record<string, unknown>>, patch: readonly unknown[], current: readonly unknown[]): boolean {
  return Object.keys(fields).some((name) => {
    if (!name.startsWith('v:') && !name.startsWith('k:')) return false;
    const wanted: unknown = JSON.parse(name.slice(2));
    const isSame = (item: unknown): boolean =>
      name.startsWith('v:')
        ? isDeepStrictEqual(item, wanted)
        : isObject(item) && isObject(wanted) && Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(item[key], value));
    return !isDeepStrictEqual(patch.find(isSame), current.find(isSame));
  });
}
