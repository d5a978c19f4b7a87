import type { FastifyInstance } from 'fastify';
import { isDeeperThan, maxDepth } from '../../crds/parameters.ts';
import { invalid, Problem } from './problem.ts';

/** Reads JSON, and refuses what other parts could not take: too many levels, and text that is no Unicode. */
export function readJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(['application/json', 'application/merge-patch+json'], { parseAs: 'string' }, (request, body, done) => {
    const text = String(body);
    // Many clients announce JSON with every request; where there is no body to miss, none is missing.
    if (text === '' && request.routeOptions.schema?.body === undefined) done(null, undefined);
    else
      parseJson(request, text, (error, value) => {
        if (error !== null) done(error, undefined);
        // Checks recurse into what they check.
        else if (isDeeperThan(value, maxDepth))
          done(invalid([{ pointer: '', message: `is nested deeper than ${maxDepth} levels` }]), undefined);
        else if (mayHoldSurrogates.test(text) && !isUnicode(value))
          done(
            new Problem('malformed-request', 'The body has half of a surrogate pair (\\ud800 to \\udfff), which is no character.'),
            undefined,
          );
        else done(null, value);
      });
  });
}

const mayHoldSurrogates = /\\u[dD][89a-fA-F]/;

function isUnicode(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([key, part]) => key.isWellFormed() && isUnicode(part));
}
