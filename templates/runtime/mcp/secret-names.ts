/** Parts that give a name away wherever they stand in it, written as one word: `userPassword`, `apikey`, `X-Access-Token`. */
const telling = [
  'password',
  'passwd',
  'passphrase',
  'passcode',
  'secret',
  'token',
  'apikey',
  'accesskey',
  'privatekey',
  'signingkey',
  'encryptionkey',
  'credential',
  'authorization',
  'cookie',
  'signature',
  'creditcard',
  'cardnumber',
];
/** Too short to be looked for inside other words: `pin` is in `pinned`. */
const tellingWords = new Set(['auth', 'bearer', 'cvc', 'cvv', 'jwt', 'otp', 'pass', 'pin', 'pwd', 'session', 'ssn', 'totp']);

/** The words of a name, in lower case: `chatUid` and `chat-uid` are `chat` and `uid`. */
export function words(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}

/** Whether a name speaks of secrets. It errs towards yes: the audit then lacks a value, which harms nobody. */
export function isSecretName(name: string): boolean {
  const parts = words(name);
  const joined = parts.join('');
  return telling.some((part) => joined.includes(part)) || parts.some((part) => tellingWords.has(part));
}
