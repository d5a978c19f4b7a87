/** Why a connection or request failed, in a few words. The text repeats no part of the request. */
export function causeOf(error: unknown): string {
  const { code } = (error as { cause?: { code?: unknown } })?.cause ?? {};
  if (isOfSystem(code)) return words(code);
  const own = (error as { code?: unknown })?.code;
  if (isOfSystem(own)) return words(own);
  const { name, message } = deepest(error);
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  return message.split('\n')[0]?.slice(0, 200) ?? name;
}

/** Codes of Node, its TLS and undici. Codes of other libraries are ignored, because their messages say more. */
function isOfSystem(code: unknown): code is string {
  return typeof code === 'string' && /^(E[A-Z_]+$|ERR_|UND_|CERT_|DEPTH_|SELF_|UNABLE_|HOSTNAME_)/.test(code);
}

/** `fetch failed` hides the cause. The innermost error names it. */
function deepest(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? deepest(error.cause) : error;
}

function words(code: string): string {
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: 'the name does not exist',
    EAI_AGAIN: 'the name server does not answer',
    ECONNREFUSED: 'nothing listens there',
    ECONNRESET: 'the connection was broken off',
    EHOSTUNREACH: 'there is no way to the host',
    ENETUNREACH: 'there is no way to the network',
    ETIMEDOUT: 'no answer in time',
    UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
    UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
    ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
    CERT_HAS_EXPIRED: 'its certificate has ended',
    CERT_NOT_YET_VALID: 'its certificate is not valid yet',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'nobody known has signed its certificate',
    SELF_SIGNED_CERT_IN_CHAIN: 'nobody known has signed its certificate; NODE_EXTRA_CA_CERTS names a file of an authority of your own',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes without its chain',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      'nobody known has signed its certificate; NODE_EXTRA_CA_CERTS names a file of an authority of your own',
    UND_ERR_SOCKET: 'the connection was broken off',
  };
  return known[code] === undefined ? code : `${known[code]} (${code})`;
}
