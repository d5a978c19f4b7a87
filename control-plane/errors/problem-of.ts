import type { FastifyBaseLogger } from 'fastify';
import { KubeError } from '../../kube/errors.ts';
import type { Code } from '../../problems/catalogue.ts';
import { Problem } from '../../problems/problem.ts';
import { ProviderUnavailable } from '../identity/provider.ts';
import { isStoreUnavailable } from '../store/failures.ts';

/** fastify's own refusals, by its error codes: https://fastify.dev/docs/latest/Reference/Errors/ */
const fromFastify: Readonly<Record<string, readonly [Code, string]>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed-request', 'The body is not valid JSON, or it has a forbidden name such as __proto__.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed-request', 'The body is empty, but a JSON object is required.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed-request', 'The length of the body differs from Content-Length.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported-media-type',
    'The body must be application/json. A merge patch may also be application/merge-patch+json.',
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'The body is larger than this operation accepts.'],
  FST_ERR_BAD_URL: ['malformed-request', 'The path is not a valid URL.'],
  FST_ERR_HANDLER_TIMEOUT: ['overloaded', 'The operation did not finish in time.'],
  FST_ERR_MAX_PARAM_LENGTH: ['route-not-found', 'Nothing is served at this path.'],
};

/** Code of the problem in the answer to a request that failed with `error`. */
export function codeOf(error: unknown): Code {
  return problemOf(error, { warn() {}, error() {} }).code;
}

/** The problem in the answer to a request that failed with `error`. An unexpected error is logged and not shown. */
export function problemOf(error: unknown, log: Pick<FastifyBaseLogger, 'warn' | 'error'>): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ProviderUnavailable) {
    // Without the stack: during an outage every request logs this.
    log.warn({ reason: error.message }, 'identity provider unavailable');
    return new Problem('identity-provider-unavailable', 'WorkOS did not answer, so nothing was changed.');
  }
  if (error instanceof KubeError && (error.status === 0 || error.status === 429 || error.status >= 500)) {
    log.warn({ err: error }, 'kubernetes unavailable');
    return new Problem('kubernetes-unavailable', 'The Kubernetes API did not answer.', {
      headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    });
  }
  if (isStoreUnavailable(error)) {
    log.warn({ err: error }, 'store unavailable');
    return new Problem('store-unavailable', 'The database of the control plane did not answer.');
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = fromFastify[code];
  if (known !== undefined) return new Problem(...known);
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500) return new Problem('malformed-request', 'The request cannot be read.');
  log.error({ err: error }, 'request failed');
  return new Problem('internal', 'An unexpected error occurred.');
}
