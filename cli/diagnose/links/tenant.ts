import { conditionOfStall, isTrue, remedyOf } from '../../../crds/conditions.ts';
import { ago } from '../../output/text.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import type { KnownTenant, Scene } from '../scene.ts';

/** Age in seconds from which a Tenant without conditions means that the operator does not run. */
const silenceSeconds = 60;

/** Checks the Tenant object: whether it is meant to run, and whether the operator reconciles it. */
export const tenantLink: Link = {
  name: 'tenant',
  needs: [],
  check: async (scene) => (scene.tenant === undefined ? notChecked(scene.unknownBecause) : judge(scene.tenant, scene)),
};

function judge(tenant: KnownTenant, { now, domain, commands }: Scene): Finding {
  const { name, spec, status } = tenant;
  const conditions = status.conditions ?? [];
  const pending = conditions.filter(({ type, status: holds }) => holds !== 'True' && !['Stalled', 'Reconciling'].includes(type));
  const seen = [
    `as the ${tenant.source} tells: ${status.phase ?? 'no phase yet'}, template ${spec.template.name}${status.template ? ` ${status.template.revision}` : ''}, created ${ago(tenant.createdAt, now())} ago`,
    ...pending.map(({ type, status: holds, reason, message }) => `${type}=${holds} (${reason}): ${message}`),
    ...(tenant.paused ? ['the annotation tenantry.dev/reconcile: paused keeps the operator from repairing it'] : []),
  ];
  if (tenant.deletedAt !== undefined)
    return broken(
      `it is being deleted since ${tenant.deletedAt}`,
      'Wait until it is gone, then create it again. What holds it up stands in its conditions and events.',
      seen,
      [commands.tenantry('tenants', 'get', name)],
    );
  if (spec.suspended === true)
    return broken('it is suspended: its pods are stopped', 'Resume it.', seen, [commands.tenantry('tenants', 'resume', name)]);
  if (conditions.length === 0 && secondsSince(tenant.createdAt, now()) > silenceSeconds) {
    return broken('the operator has not looked at it', 'Look whether the operator runs, and at its log.', seen, [
      commands.parts(),
      commands.log('operator'),
    ]);
  }
  const stalled = conditions.find(({ type, status: holds }) => type === 'Stalled' && holds === 'True');
  // The database and pod links report their own faults. A pause is already in `seen` and is not a fault.
  const elsewhere =
    stalled?.reason === 'Paused' || ['DatabaseReady', 'WorkloadAvailable'].includes(conditionOfStall(stalled?.reason ?? '') ?? '');
  if (stalled !== undefined && !elsewhere)
    return broken(`${stalled.reason}: ${stalled.message}`, remedyOf('Stalled', stalled.reason) ?? 'Follow the message.', seen, [
      commands.tenantry('tenants', 'get', name),
    ]);
  const custom = domain === undefined ? undefined : status.domains?.find((entry) => entry.domain === domain);
  if (custom !== undefined && custom.state !== 'Verified') {
    const { record } = custom;
    return broken(
      `its domain ${custom.domain} is ${custom.state}: ${custom.message}`,
      custom.state === 'Conflict'
        ? 'Remove it from the tenant that has it, or from this one.'
        : `Enter this record at the DNS provider: ${record.name} ${record.type} "${record.value}". Then have it looked at.`,
      seen,
      [commands.tenantry('domains', custom.state === 'Conflict' ? 'remove' : 'verify', name, custom.domain)],
    );
  }
  if (tenant.generation !== undefined && status.observedGeneration !== undefined && status.observedGeneration < tenant.generation)
    seen.push('the operator has not seen the last change yet');
  if (isTrue(conditions, 'Ready')) seen.push('the operator counts it as Ready');
  return ok(...seen);
}

function secondsSince(time: string | undefined, now: Date): number {
  return time === undefined ? 0 : (now.getTime() - Date.parse(time)) / 1000;
}
