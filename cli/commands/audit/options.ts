import type { Command } from 'commander';

/** Selects the chains of a tenant and a range of months. */
export interface Range {
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
}

export const ranged = (command: Command): Command =>
  command
    .option('--tenant <name>', 'only this tenant, also a deleted one')
    .option('--from <month>', 'first month, such as 2026-11')
    .option('--to <month>', 'last month, such as 2026-12');

/** Leaves out the options without a value. */
export const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
