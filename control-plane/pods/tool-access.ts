import { z } from 'zod';

/** A user's access to the tools of a tenant, from least to most. */
const levels = ['none', 'read', 'all'] as const;
export const toolAccess = z.enum(levels);
export type ToolAccess = z.infer<typeof toolAccess>;

/** Access by slug of a role; `*` stands for all other roles. */
export type ToolAccessByRole = ReadonlyMap<string, ToolAccess>;

/** The highest access of the roles. A role without a rule gives none. */
export function accessOf(roles: readonly string[], byRole: ToolAccessByRole): ToolAccess {
  const given = roles.map((role) => levels.indexOf(byRole.get(role) ?? byRole.get('*') ?? 'none'));
  return levels[Math.max(0, ...given)] ?? 'none';
}
