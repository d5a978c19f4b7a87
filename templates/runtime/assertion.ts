/**
 * How the MCP sidecar tells the API who calls: a JWT of 60 seconds, signed by a key the sidecar makes at its start. MCP forbids
 * passing the client's token on, and an API could not check it.
 * https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization#access-token-privilege-restriction
 */

export const assertionIssuer = 'tenantry-mcp';
export const assertionAudience = 'tenantry-api';
export const assertionAlgorithm = 'EdDSA';
export const assertionLifetimeSeconds = 60;

/** The caller, as the sidecar has verified it. */
export interface Caller {
  /** `user_…` or `client_…` at the authorization server, or `key:<id of the API key>`. */
  readonly subject: string;
  /** Organization of the user or application; absent for API keys. */
  readonly organization?: string;
  readonly scopes: readonly string[];
}
