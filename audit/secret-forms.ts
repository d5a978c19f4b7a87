/** Prefixes of the keys of known issuers, including WorkOS. */
const issuers = String.raw`(?:sk|pk|rk)[-_]|whsec_|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|ya29\.`;

/**
 * Patterns of secrets. A text may be long and hostile, so each pattern runs in linear time: a failed attempt reads a bounded number of
 * characters, or no other attempt begins within them.
 */
export const secretForms = {
  /** An API key of a tenant, possibly cut off. Its public part, `tnt_` and twelve characters, is not a secret. */
  apiKey: /\btnt_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}/,
  issuedKey: new RegExp(String.raw`\b(?:${issuers})[A-Za-z0-9_-]{8,}`),
  /** JSON in base64, the beginning of a JSON Web Token. A dot is not required, because finding it means reading the whole run. */
  token: /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}/,
  privateKey: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY/,
  urlPassword: /\/\/[^/\s:@]*:[^/\s@]+@/,
} as const;

const anywhere = Object.values(secretForms);

/** Whether the text contains a secret by its form. */
export function holdsSecret(text: string): boolean {
  return anywhere.some((form) => form.test(text));
}

const beginnings = new RegExp(`^(?:tnt_|eyJ|${issuers})`);

/** Whether a text in place of an identifier begins like a key or token. It prefers a false yes. */
export function beginsAsSecret(text: string): boolean {
  return beginnings.test(text);
}
