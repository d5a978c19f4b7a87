import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Tenant } from '../../../control-plane/client/client.ts';
import type { Filter } from '../../tenants/watch.ts';
import { choicesOf } from '../choices.ts';

type Phase = NonNullable<Tenant['status']['phase']>;
const phases = choicesOf<Phase>({
  Pending: true,
  Provisioning: true,
  Ready: true,
  Degraded: true,
  Stalled: true,
  Suspended: true,
  Deleting: true,
});

/** Whether the data of a deleted tenant is kept or deleted. */
export type DeletionPolicy = NonNullable<Tenant['spec']['deletionPolicy']>;
export const deletionPolicies = choicesOf<DeletionPolicy>({ retain: true, delete: true });

/** Collects the values of a repeatable option. */
export const collect = (value: string, previous: readonly string[] | undefined): string[] => [...(previous ?? []), value];

/** Parses a duration to seconds: 90, 90s, 5m or 1h. */
export function seconds(text: string): number {
  const match = /^(\d{1,6})(s|m|h)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It is a time such as 90s, 5m or 1h.');
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[(match[2] ?? 's') as 's' | 'm' | 'h'];
}

export interface Waiting {
  readonly wait?: boolean;
  readonly timeout: number;
}

export const waiting = (command: Command, what: string): Command =>
  command.option('--wait', what).addOption(new Option('--timeout <time>', 'how long to wait').argParser(seconds).default(300, '5m'));

export interface Forcing {
  readonly force?: boolean;
}

export const forcing = (command: Command): Command =>
  command.option('--force', 'take fields over that another manager owns, such as a GitOps tool');
/** The query that lets a request take over fields of another manager. */
export const forced = ({ force }: Forcing): { force?: true } => (force === true ? { force } : {});

export const filtering = (command: Command): Command =>
  command
    .option('-l, --selector <labels>', 'labels, as kubectl takes them: tier=gold,region in (eu,us)')
    .option('--template <name>', 'only those of this template')
    .addOption(new Option('--phase <phase>', 'only those in this phase').choices(phases));

export interface FilterOptions {
  readonly selector?: string;
  readonly template?: string;
  readonly phase?: Phase;
}

export const filterOf = ({ selector, template, phase }: FilterOptions): Filter => ({
  ...(selector === undefined ? {} : { labelSelector: selector }),
  ...(template === undefined ? {} : { template }),
  ...(phase === undefined ? {} : { phase }),
});
