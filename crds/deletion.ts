import { annotations } from './names.ts';
import { dataPolicyOf, type Tenant } from './tenant.ts';

/** The effect of a deletion on the data. */
export const deletionPolicies = ['retain', 'delete'] as const;
export type DeletionPolicy = (typeof deletionPolicies)[number];

/**
 * Longest time between the annotation `delete` and the deletion, in milliseconds. A choice for a deletion that failed must not apply to a
 * later deletion.
 */
export const choiceValidMs = 60_000;

/** Value of the annotation `tenantry.dev/data-on-deletion`: the choice for the next deletion. */
export function dataOnDeletion(policy: DeletionPolicy, now: Date): string {
  return `${policy} ${now.toISOString()}`;
}

/**
 * The policy of a deletion that has begun: the choice for this deletion, or else the policy of the spec. The choice `retain` never expires,
 * because it destroys nothing.
 */
export function effectiveDeletionPolicyOf({ metadata, spec }: Tenant): DeletionPolicy {
  const [, choice, time = ''] = /^(retain|delete) (\S+)$/.exec(metadata.annotations?.[annotations.dataOnDeletion] ?? '') ?? [];
  if (choice === 'retain') return 'retain';
  const apart = Math.abs(Date.parse(metadata.deletionTimestamp ?? '') - Date.parse(time));
  return choice === 'delete' && apart <= choiceValidMs ? 'delete' : dataPolicyOf(spec);
}
