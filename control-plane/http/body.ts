import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isDeeperThan, maxDepth } from '../../crds/parameters.ts';
import { Problem } from '../../problems/problem.ts';
import { invalid } from './problem.ts';

/**
 * Reads JSON bodies. It refuses bodies with too many levels, with text that is not Unicode, or with the same name twice in an object. A proxy
 * in front could read such a body differently.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(['application/json', 'application/merge-patch+json'], { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      text = textOf(request, body as Buffer);
    } catch (error) {
      done(error as Problem, undefined);
      return;
    }
    // Many clients send the content type of JSON with every request, also without a body.
    if (text === '' && request.routeOptions.schema?.body === undefined) done(null, undefined);
    else
      parseJson(request, text, (error, value) => {
        const refused = error ?? faultOf(text, value);
        if (refused === undefined) done(null, value);
        else done(refused, undefined);
      });
  });
}

/** @throws Problem malformed-request, unsupported-media-type */
function textOf({ headers }: FastifyRequest, body: Buffer): string {
  if ((headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new Problem('unsupported-media-type', 'Send the body as it is, without Content-Encoding.');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new Problem('malformed-request', 'The body is not UTF-8.', { cause });
  }
}

function faultOf(text: string, value: unknown): Problem | undefined {
  // Later checks are recursive.
  if (isDeeperThan(value, maxDepth)) return invalid([{ pointer: '', message: `is nested deeper than ${maxDepth} levels` }]);
  if (surrogateEscape.test(text) && !isUnicode(value))
    return new Problem('malformed-request', 'The body has half of a surrogate pair (\\ud800 to \\udfff), which is not a character.');
  if (namesIn(text) !== namesOf(value)) return new Problem('malformed-request', 'An object of the body has the same name twice.');
  return undefined;
}

const surrogateEscape = /\\u[dD][89a-fA-F]/;

function isUnicode(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([key, part]) => key.isWellFormed() && isUnicode(part));
}

/** Number of names in the objects of a JSON text: strings that are followed by a colon. */
function namesIn(text: string): number {
  let count = 0;
  for (const [found] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?/g)) if (found.endsWith(':')) count += 1;
  return count;
}

/** Number of names in the parsed value. JavaScript keeps only the last of equal names. */
function namesOf(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0;
  const parts = Object.values(value);
  return parts.reduce<number>((count, part) => count + namesOf(part), Array.isArray(value) ? 0 : parts.length);
}
