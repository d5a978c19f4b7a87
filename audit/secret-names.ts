/** Stands in the place of a secret wherever one is masked. */
export const redacted = '[redacted]';

const kindsOfKey =
  'api|access|account|aes|auth|client|decryption|deploy|encryption|hmac|license|master|private|root|session|shared|signing|ssh|webhook';

/** Parts that mark a name wherever they stand in it, with the name written as one word: `userPassword`, `apikey`, `X-Access-Token`. */
const telling = new RegExp(
  [
    'pass(?:word|wd|phrase|code)',
    // Not a secretary, nor a tokenizer.
    'secret(?!ar)',
    'token(?!i[sz])',
    `(?:${kindsOfKey})key`,
    'credential',
    'authori[sz]ation',
    'cookie',
    'signature',
    'creditcard',
    'cardnumber',
    'conn(?:ection)?str(?:ing)?',
    'connectionur[il]',
    'seedphrase',
  ].join('|'),
);

/** Too short to be looked for inside other words: `pin` is in `pinned`. */
const tellingWords = new Set('auth bearer creds cvc cvv dsn jwt kubeconfig mnemonic otp pass pat pin pwd session ssn totp'.split(' '));

/** A name that ends in one of these describes a secret, such as where it lies or how long it lasts, and does not hold it. */
const describing = new Set(
  (
    'algorithm algorithms affinity audience budget count dir directory duration enabled endpoint expiry file format issuer length lifetime limit ' +
    'method mode name names overlap path paths period policy provider quota ready ref refs required rotation seconds server servers size stdin ' +
    'timeout ttl type usage'
  ).split(' '),
);

/** Beside `tokens` these count tokens of a language model: `maxTokens`, `tokens_per_minute`. */
const counting = new Set(
  (
    'average avg budget cached completion context count day estimated hour input length limit max maximum min minimum minute num number of ' +
    'output per prompt quota reasoning remaining second size the total usage used'
  ).split(' '),
);

/** The words of a name, in lower case: `chatUid` and `chat-uid` are `chat` and `uid`. */
export function words(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

/**
 * Whether a field, parameter, variable or flag of this name holds a secret. The one judgement for the audit log, the sidecar, the logs and
 * `tenantry diagnose`. It prefers a false yes to a false no, and takes time proportional to the length of the name.
 */
export function isSecretName(name: string): boolean {
  const parts = words(name);
  const last = parts.at(-1) ?? '';
  if (describing.has(last) || (last === 'id' && parts.at(-2) === 'key')) return false;
  if (parts.includes('tokens') && parts.every((part) => part === 'tokens' || counting.has(part))) return false;
  return telling.test(parts.join('')) || parts.some((part) => tellingWords.has(part));
}
