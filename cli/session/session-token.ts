import { decodeJwt } from 'jose';
import type { Connection } from '../config/connection.ts';
import type { Contexts, Session } from '../config/contexts.ts';
import { Failure } from '../failure.ts';
import { GrantRefused, refresh } from './grants.ts';

/** Remaining lifetime below which a token is refreshed, in milliseconds, so that a token does not expire during a request. */
const marginMs = 60_000;

export interface TokenOptions {
  readonly connection: Connection;
  readonly contexts: Contexts;
  readonly now: () => Date;
  /** A token that was just refused. It is refreshed even if it has not expired, as after a change of role. */
  readonly refused?: string;
  readonly signal: AbortSignal;
}

/** The token for requests to the connection's control plane; undefined if there is none. It is refreshed shortly before it expires. */
export async function sessionToken({ connection, contexts, now, refused, signal }: TokenOptions): Promise<string | undefined> {
  const { token, context } = connection;
  if (token !== undefined || context === undefined) return token;
  const session = contexts.find(context)?.session;
  if (session === undefined) return undefined;
  if (session.accessToken !== refused && endsAfter(session.accessToken, now().getTime() + marginMs)) return session.accessToken;
  try {
    const next = await refresh(session, session.refreshToken, undefined, signal);
    contexts.keepSession(context, { ...session, accessToken: next.access_token, refreshToken: next.refresh_token });
    return next.access_token;
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error;
    // A refresh token works only once. Another process may have just used it and stored the new session.
    const present: Session | undefined = contexts.find(context)?.session;
    if (present !== undefined && present.refreshToken !== session.refreshToken) return present.accessToken;
    throw new Failure('notAuthorized', `Your session at ${connection.url} has ended: ${error.message}`, {
      remedy: `Sign in again: tenantry login ${connection.url}`,
    });
  }
}

function endsAfter(token: string, time: number): boolean {
  try {
    return (decodeJwt(token).exp ?? 0) * 1000 > time;
  } catch {
    return false;
  }
}
