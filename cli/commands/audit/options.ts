import type { Command } from 'commander';

/** Which chains, and which of their months. */
export interface Range {
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
}

export const ranged = (command: Command): Command =>
  command
    .option('--tenant <name>', 'only this tenant, also one that is gone')
    .option('--from <month>', 'first month, such as 2026-11')
    .option('--to <month>', 'last month');

/** The options that were given. */
export const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
