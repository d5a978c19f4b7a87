/** The token of an `Authorization: Bearer` header (RFC 6750), or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i.exec(header)?.[1];
}

/** A WWW-Authenticate challenge; values are ours, so they need no escaping. */
export function challenge(realm: string, parameters: Readonly<Record<string, string>> = {}): string {
  const rest = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return `Bearer ${[`realm="${realm}"`, ...rest].join(', ')}`;
}
