import { annotations } from './names.ts';
import { dataPolicyOf, type Tenant } from './tenant.ts';

/** What a deletion does to the data. */
export const dataFates = ['retain', 'delete'] as const;
export type DataFate = (typeof dataFates)[number];

/** A word to delete data counts for a deletion that begins so soon: one that failed must not decide what a later one does. */
export const wordCountsMs = 60_000;

/** Value of the annotation `tenantry.dev/data-on-deletion`: the word that was given for the deletion that is about to begin. */
export function wordOnData(fate: DataFate, now: Date): string {
  return `${fate} ${now.toISOString()}`;
}

/**
 * What the deletion of a tenant, which has begun, does to its data: what was said for this very deletion, or else the policy of the spec.
 * A word to retain counts at any time, because it destroys nothing.
 */
export function dataFateOf({ metadata, spec }: Tenant): DataFate {
  const [, fate, time = ''] = /^(retain|delete) (\S+)$/.exec(metadata.annotations?.[annotations.dataOnDeletion] ?? '') ?? [];
  if (fate === 'retain') return 'retain';
  const apart = Math.abs(Date.parse(metadata.deletionTimestamp ?? '') - Date.parse(time));
  return fate === 'delete' && apart <= wordCountsMs ? 'delete' : dataPolicyOf(spec);
}
