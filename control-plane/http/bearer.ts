/** The token of an `Authorization: Bearer` header (RFC 6750), or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i.exec(header)?.[1];
}

/** A WWW-Authenticate challenge. All values are our own, so they are not escaped. */
export function challenge(realm: string, parameters: Readonly<Record<string, string>> = {}): string {
  const rest = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return `Bearer ${[`realm="${realm}"`, ...rest].join(', ')}`;
}
