import { z } from 'zod';

/** What a user may do with the tools of a tenant, from least to most. */
const levels = ['none', 'read', 'all'] as const;
export const toolAccess = z.enum(levels);
export type ToolAccess = z.infer<typeof toolAccess>;

/** Access by slug of a role; `*` stands for all others. */
export type ToolAccessByRole = ReadonlyMap<string, ToolAccess>;

/** The most that any of the roles gives; without any rule for a role it gives nothing. */
export function accessOf(roles: readonly string[], byRole: ToolAccessByRole): ToolAccess {
  const given = roles.map((role) => levels.indexOf(byRole.get(role) ?? byRole.get('*') ?? 'none'));
  return levels[Math.max(0, ...given)] ?? 'none';
}
