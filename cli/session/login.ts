import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { z } from 'zod';
import type { Session } from '../config/contexts.ts';
import { isSecureUrl } from '../config/secure-url.ts';
import { causeOf } from '../diagnose/cause.ts';
import { Failure } from '../failure.ts';
import { type AuthClient, authorizeDevice, type Device, GrantRefused, type OpenedSession, redeemDevice, refresh } from './grants.ts';

const authConfig = z.object({ clientId: z.string().min(1), workosUrl: z.string().refine(isSecureUrl) });

/** Reads the sign-in settings from the control plane. @throws Failure */
export async function authClientOf(url: string, signal: AbortSignal): Promise<AuthClient> {
  const address = `${url}/v1/auth/config`;
  let response: Response;
  try {
    response = await fetch(address, { redirect: 'error', signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]) });
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure('unavailable', `${url} does not answer: ${causeOf(error)}`, { remedy: 'Is this the URL of the control plane?' });
  }
  const parsed = authConfig.safeParse(await response.json().catch(() => undefined));
  if (response.ok && parsed.success) return { clientId: parsed.data.clientId, workosUrl: parsed.data.workosUrl.replace(/\/+$/, '') };
  throw new Failure(
    response.status >= 500 ? 'unavailable' : 'failed',
    `${address} answered ${response.status}, and not as a control plane does.`,
    {
      remedy: 'Give the URL of the control plane, not that of a tenant.',
    },
  );
}

export interface LoginOptions {
  /** Organization to sign in to; undefined for the one selected on the page. */
  readonly organizationId: string | undefined;
  readonly signal: AbortSignal;
  /** Shows the user the code and the page to confirm it. */
  readonly show: (device: Device) => void;
}

/** Signs the user in with a browser, which may be on another machine (RFC 8628). @throws Failure */
export async function login(client: AuthClient, { organizationId, signal, show }: LoginOptions): Promise<Session> {
  try {
    const device = await authorizeDevice(client, signal);
    show(device);
    let session = await confirmed(client, device, signal);
    if (organizationId !== undefined && organizationOf(session) !== organizationId)
      session = await refresh(client, session.refresh_token, organizationId, signal);
    if (organizationOf(session) === undefined)
      throw new Failure('notAuthorized', 'The session belongs to no organization, and the control plane admits members of one only.', {
        remedy: 'Name it: tenantry login --organization org_...; or have yourself invited to one.',
      });
    return {
      accessToken: session.access_token,
      refreshToken: session.refresh_token,
      ...client,
      ...(session.user === undefined ? {} : { email: session.user.email }),
    };
  } catch (error) {
    if (error instanceof GrantRefused) throw refused(error);
    throw error;
  }
}

/** Polls until the user has confirmed or denied. Each `slow_down` adds five seconds to the interval (RFC 8628 section 3.5). */
async function confirmed(client: AuthClient, device: Device, signal: AbortSignal): Promise<OpenedSession> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(device.expires_in * 1000)]);
  let seconds = device.interval;
  try {
    for (;;) {
      await delay(seconds * 1000, undefined, { signal: until });
      try {
        return await redeemDevice(client, device.device_code, until);
      } catch (error) {
        if (error instanceof GrantRefused && error.code === 'slow_down') seconds += 5;
        else if (!(error instanceof GrantRefused && error.code === 'authorization_pending')) throw error;
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (until.aborted) throw new GrantRefused('expired_token', 'nobody confirmed the code in time');
    throw error;
  }
}

function refused(error: GrantRefused): Failure {
  if (error.code === 'access_denied') return new Failure('notAuthorized', 'The sign-in was refused in the browser.');
  if (error.code === 'expired_token')
    return new Failure('timedOut', 'Nobody confirmed the code in time.', { remedy: 'Run the command again.' });
  if (error.code === 'invalid_organization_id')
    return new Failure('notAuthorized', 'You are no active member of this organization.', {
      remedy: 'Leave --organization out to choose on the page.',
    });
  return new Failure('notAuthorized', `WorkOS refused the sign-in: ${error.message}`);
}

function organizationOf(session: OpenedSession): string | undefined {
  const claim = decodeJwt(session.access_token)['org_id'];
  return typeof claim === 'string' ? claim : undefined;
}
