import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { KubeError } from '../../kube/errors.ts';
import { ProviderUnavailable } from '../identity/provider.ts';
import { isStoreUnavailable } from '../store/failures.ts';
import type { Code } from './catalogue.ts';
import { Problem } from './problem.ts';

/** fastify's own refusals, by its error codes: https://fastify.dev/docs/latest/Reference/Errors/ */
const fromFastify: Readonly<Record<string, readonly [Code, string]>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed-request', 'The body is not valid JSON, or has a name such as __proto__.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed-request', 'The body is empty; send a JSON object.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed-request', 'The body is not as long as Content-Length says.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'Send application/json; PATCH also takes application/merge-patch+json.'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'The body is larger than this operation takes.'],
  FST_ERR_BAD_URL: ['malformed-request', 'The path is not a valid URL.'],
  FST_ERR_HANDLER_TIMEOUT: [
    'overloaded',
    'There is no answer within the time this operation may take. Look whether the change was made before trying again.',
  ],
  FST_ERR_MAX_PARAM_LENGTH: ['route-not-found', 'There is nothing at this path.'],
};

/** Makes every failure a problem document; what nobody expected is logged and hidden. */
export function renderErrors(app: FastifyInstance): void {
  app.setErrorHandler(answerError);
}

/** Also for what fails before there is a route: fastify's `frameworkErrors`. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.log);
  return reply
    .status(problem.status)
    .headers({ 'x-request-id': request.id, ...problem.headers })
    .type('application/problem+json; charset=utf-8')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem.render(request.id));
}

/** Code of the problem that a request which fails with `error` is answered with. */
export function codeOf(error: unknown): Code {
  return problemOf(error, { warn() {}, error() {} }).code;
}

function problemOf(error: unknown, log: Pick<FastifyBaseLogger, 'warn' | 'error'>): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ProviderUnavailable) {
    // Without the stack: every request says so during an outage.
    log.warn({ reason: error.message }, 'identity provider unavailable');
    return new Problem('identity-provider-unavailable', 'WorkOS did not answer. Nothing was changed; try again.');
  }
  if (error instanceof KubeError && (error.status === 0 || error.status === 429 || error.status >= 500)) {
    log.warn({ err: error }, 'kubernetes unavailable');
    return new Problem('kubernetes-unavailable', 'The Kubernetes API did not answer. Look at the tenant before trying again.', {
      headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    });
  }
  if (isStoreUnavailable(error)) {
    log.warn({ err: error }, 'store unavailable');
    return new Problem('store-unavailable', 'The database of the control plane did not answer. Look at the tenant before trying again.');
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = fromFastify[code];
  if (known !== undefined) return new Problem(...known);
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500) return new Problem('malformed-request', 'The request could not be read.');
  log.error({ err: error }, 'request failed');
  return new Problem('internal', 'Something went wrong here. The logs have the details under the id in `instance`.');
}
