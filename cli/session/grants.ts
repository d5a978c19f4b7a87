import { z } from 'zod';
import { isSecureUrl, secureOnly } from '../config/secure-url.ts';
import { causeOf } from '../diagnose/cause.ts';
import { Failure } from '../failure.ts';

/** AuthKit's settings for the command line. The control plane provides them. */
export interface AuthClient {
  readonly clientId: string;
  /** Origin of WorkOS's API. */
  readonly workosUrl: string;
}

/** URL of a page where the user signs in. */
const secureUrl = z.string().refine(isSecureUrl, secureOnly);

const device = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: secureUrl,
  verification_uri_complete: secureUrl.optional(),
  expires_in: z.number(),
  interval: z.number().default(5),
});
export type Device = Readonly<z.infer<typeof device>>;

const opened = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  organization_id: z.string().nullish(),
  user: z.object({ email: z.string() }).optional(),
});
export type OpenedSession = Readonly<z.infer<typeof opened>>;

/** AuthKit refused a grant. `code` is the OAuth error code. */
export class GrantRefused extends Error {
  override readonly name = 'GrantRefused';
  readonly code: string;
  constructor(code: string, description: string) {
    super(description);
    this.code = code;
  }
}

const timeoutMs = 30_000;

/** Requests a code that the user confirms in a browser (RFC 8628 section 3.1). */
export async function authorizeDevice({ workosUrl, clientId }: AuthClient, signal: AbortSignal): Promise<Device> {
  return understood(device, await post(`${workosUrl}/user_management/authorize/device`, { client_id: clientId }, signal));
}

/** Polls once for the session of a confirmed code. @throws GrantRefused authorization_pending, slow_down, access_denied, expired_token */
export async function redeemDevice({ workosUrl, clientId }: AuthClient, deviceCode: string, signal: AbortSignal): Promise<OpenedSession> {
  const body = { client_id: clientId, grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: deviceCode };
  return understood(opened, await post(`${workosUrl}/user_management/authenticate`, body, signal));
}

/**
 * Exchanges a refresh token, which works only once, for a new session. With `organizationId`, the session is for that organization.
 * @throws GrantRefused
 */
export async function refresh(
  { workosUrl, clientId }: AuthClient,
  refreshToken: string,
  organizationId: string | undefined,
  signal: AbortSignal,
): Promise<OpenedSession> {
  const body = {
    client_id: clientId,
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    ...(organizationId === undefined ? {} : { organization_id: organizationId }),
  };
  return understood(opened, await post(`${workosUrl}/user_management/authenticate`, body, signal));
}

async function post(url: string, body: object, signal: AbortSignal): Promise<unknown> {
  if (!isSecureUrl(url)) throw new Failure('usage', `The URL of WorkOS ${secureOnly}: tokens are sent there.`);
  let status: number;
  let answer: unknown;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    ({ status } = response);
    answer = await response.json().catch(() => undefined);
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure('unavailable', `WorkOS at ${new URL(url).origin} does not answer: ${causeOf(error)}`, {
      remedy: 'Look whether this machine may reach it, through a proxy perhaps, and try again.',
    });
  }
  if (status < 400) return answer;
  const { error, error_description, code, message } = (answer ?? {}) as Record<string, unknown>;
  const words = String(error_description ?? message ?? `WorkOS answered ${status}`);
  if (status >= 500 || status === 429) throw new Failure('unavailable', words, { remedy: 'Try again in a while.' });
  throw new GrantRefused(String(error ?? code ?? status), words);
}

function understood<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Failure(
    'failed',
    `WorkOS answered something else than it documents: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`,
  );
}
