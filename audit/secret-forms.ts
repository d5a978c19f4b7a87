/** How keys of known issuers begin, those of WorkOS among them. */
const issuers = String.raw`(?:sk|pk|rk)[-_]|whsec_|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|ya29\.`;

/**
 * What is a secret by its form, whoever made it. A text may be long and of somebody's making, so each is linear: what a failed attempt has
 * looked at is bounded, or no other attempt begins in it.
 */
export const secretForms = {
  /** An API key of a tenant, perhaps cut off. Its public part alone, `tnt_` and twelve characters, is none. */
  apiKey: /\btnt_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}/,
  issuedKey: new RegExp(String.raw`\b(?:${issuers})[A-Za-z0-9_-]{8,}`),
  /** JSON in base64, as JSON Web Tokens begin; not only with a dot after it, for which the whole run would have to be read. */
  token: /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}/,
  privateKey: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY/,
  urlPassword: /\/\/[^/\s:@]*:[^/\s@]+@/,
} as const;

const anywhere = Object.values(secretForms);

/** Whether something in the text is a secret by its form. */
export function holdsSecret(text: string): boolean {
  return anywhere.some((form) => form.test(text));
}

const beginnings = new RegExp(`^(?:tnt_|eyJ|${issuers})`);

/** Whether a text, where an identifier is expected, begins as keys and tokens do. It errs towards yes. */
export function beginsAsSecret(text: string): boolean {
  return beginnings.test(text);
}
