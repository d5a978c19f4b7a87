import { type AdminApiClient, adminApiClient, type Problem } from '../control-plane/client/client.ts';
import { entryOf, isCode } from '../problems/catalogue.ts';
import { causeOf } from './diagnose/cause.ts';
import type { Outcome } from './exit-codes.ts';
import { Failure } from './failure.ts';
import type { Invocation } from './invocation.ts';
import type { Patience } from './patience.ts';

/** Longest wait for the headers of an answer, in milliseconds. The limit does not apply to the body. */
const timeoutMs = 60_000;

export interface AdminApiOptions {
  /** Longer timeout for requests that take minutes. */
  readonly patience?: Patience;
}

/** The Admin API of the selected control plane. Requests throw a Failure if it does not answer or the user is not signed in. */
export function adminApi(invocation: Invocation, { patience }: AdminApiOptions = {}): AdminApiClient {
  const connection = invocation.requireConnection();
  const { signal } = invocation.terminal;
  const send = async (request: Request): Promise<Response> => {
    const begun = new AbortController();
    const timer = setTimeout(() => begun.abort(new DOMException('no answer in time', 'TimeoutError')), patience?.timeoutMs ?? timeoutMs);
    try {
      // Following a redirect could send the token to another server.
      const init = { signal: AbortSignal.any([signal, begun.signal]), redirect: 'error' } as const;
      return await (patience === undefined ? fetch(new Request(request, init)) : patience.fetch(request, init));
    } catch (error) {
      signal.throwIfAborted();
      throw new Failure('unavailable', `${connection.url} does not answer: ${causeOf(error)}`, {
        remedy:
          connection.source === 'local mode'
            ? 'Does `npm start` still run?'
            : 'Look whether the control plane runs and this machine can reach it, then try again.',
      });
    } finally {
      clearTimeout(timer);
    }
  };
  return adminApiClient({
    baseUrl: connection.url,
    token: async () => {
      const token = await invocation.token(connection);
      if (token !== undefined) return token;
      throw new Failure('notAuthorized', `Nobody is signed in at ${connection.url}.`, {
        remedy: `Sign in: tenantry login ${connection.url}\nIn CI: set TENANTRY_TOKEN`,
      });
    },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const again = connection.context === undefined ? undefined : request.clone();
      const response = await send(request);
      if (response.status !== 401 || again === undefined) return response;
      // After a change of role, the session needs a token with the new role: refresh it and try once more.
      const refused = again.headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
      const renewed = await invocation.token(connection, refused);
      if (renewed === undefined || renewed === refused) return response;
      await response.body?.cancel();
      again.headers.set('authorization', `Bearer ${renewed}`);
      return send(again);
    },
  });
}

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** The body of a successful response. @throws Failure from the problem document */
export async function bodyOf<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T;
  throw failureOf(response, error);
}

/** A problem document (RFC 9457) as a failure: its detail, each fault with its pointer, and its remedy. */
export function failureOf(response: Response, body: unknown): Failure {
  const { status } = response;
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>;
  // The detail is more exact than the title. For an invalid body the title is better, because its faults follow.
  const said = problem.code === 'invalid' ? problem.title : (problem.detail ?? problem.title);
  const message = said === undefined ? `The control plane answered with status ${status} and no problem document.` : sentence(said);
  const faults = (problem.errors ?? []).map(({ pointer, parameter, detail }) => `${pointer || parameter || '/'}  ${detail}`);
  const request = problem.requestId ?? response.headers.get('x-request-id');
  const remedy = remedyOf(problem, status, response.headers.get('retry-after'));
  return new Failure(outcomeOf(status), message, {
    details: [...faults, ...(status >= 500 && request ? [`request ${request}, as the control plane's log has it`] : [])],
    ...(remedy === undefined ? {} : { remedy }),
  });
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

function outcomeOf(status: number): Exclude<Outcome, 'ok'> {
  if (status === 401 || status === 403) return 'notAuthorized';
  if (status === 404 || status === 410) return 'notFound';
  if (status === 409 || status === 412) return 'conflict';
  if (status === 429 || status === 502 || status === 503 || status === 504) return 'unavailable';
  return status < 500 ? 'invalid' : 'failed';
}

/** The remedy of the problem, followed by a command that helps. */
function remedyOf({ code = '', remedy }: Partial<Problem>, status: number, retryAfter: string | null): string | undefined {
  const known = isCode(code) ? code : status === 401 ? 'unauthenticated' : undefined;
  const entry = known === undefined ? undefined : entryOf(known);
  const lines = [
    ...(retryAfter !== null && (status === 429 || status === 503) ? [`Try again in ${retryAfter} s.`] : []),
    ...[remedy ?? entry?.remedy].filter((line) => line !== undefined),
    ...(entry?.command === undefined ? [] : [`Command: tenantry ${entry.command}`]),
  ];
  return lines.length === 0 ? undefined : lines.join('\n');
}
