/**
 * How much a caller may do. `read` is what changes nothing: tools with readOnlyHint, and GET of an API. A user's comes from the
 * role at the control plane, that of an API key or an application from its scopes.
 */
export type Access = 'none' | 'read' | 'all';

/** The endpoint a caller addresses: the MCP endpoint or the REST API. */
export type Door = 'mcp' | 'api';

/** The scope that grants an access at a door, as API keys hold it and assertions carry it. */
export function scopeOf(door: Door, access: Exclude<Access, 'none'>): string {
  return access === 'all' ? door : `${door}:read`;
}

/** The access that scopes grant at a door. */
export function accessAt(door: Door, scopes: readonly string[]): Access {
  return (['all', 'read'] as const).find((access) => scopes.includes(scopeOf(door, access))) ?? 'none';
}

/** Whether a scope is one of Tenantry's. In a user's token it grants nothing: the membership decides. */
export function isOwnScope(scope: string): boolean {
  return /^(mcp|api|probe)(:|$)/.test(scope);
}
