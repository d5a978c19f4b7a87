import { describe, expect, it } from 'vitest';
import { AnswerTooLarge, UpstreamUnreachable } from '../../../../../templates/sidecar/http/upstream.ts';
import { apiTools, UnusableDocument } from '../../../../../templates/sidecar/tools/api-document.ts';
import { type ApiFault, documentFault, lasting } from '../../../../../templates/sidecar/tools/api-fault.ts';

const url = new URL('http://10.0.0.7:8081/openapi.json');

describe('the fault of a document', () => {
  it.each<[string, Error, ApiFault['reason'], string]>([
    [
      'a refused connection',
      new UpstreamUnreachable('ECONNREFUSED', undefined),
      'ApiNotListening',
      'The API does not listen on port 8081 of 10.0.0.7 (ECONNREFUSED).',
    ],
    [
      'a connection that is closed',
      new UpstreamUnreachable('UND_ERR_SOCKET', undefined),
      'ApiNotReady',
      'The API accepts connections but does not answer GET /openapi.json (UND_ERR_SOCKET).',
    ],
    ['no answer', new DOMException('', 'TimeoutError'), 'ApiNotReady', 'GET /openapi.json was not answered in time.'],
    [
      'Swagger 2.0',
      thrownFor({ swagger: '2.0' }),
      'DocumentUnusable',
      'The document at /openapi.json is Swagger 2.0, but OpenAPI 3.x is needed.',
    ],
    ['no paths', thrownFor({ openapi: '3.1.0' }), 'DocumentUnusable', 'The document at /openapi.json has no "paths".'],
    ['text', thrownFor('hello'), 'DocumentUnusable', expect.stringContaining('neither a JSON nor a YAML object') as unknown as string],
    ['megabytes', new AnswerTooLarge('more than 5 bytes'), 'DocumentUnusable', expect.stringContaining('too large') as unknown as string],
    ['an unknown error, without its words', new Error('secret'), 'DocumentUnusable', 'The document at /openapi.json cannot be read.'],
  ])('names %s', (_name, error, reason, detail) => {
    expect(documentFault(error, url)).toEqual({ reason, detail });
  });

  it('lasts as long as its reason stays the same', () => {
    const first = lasting({ reason: 'ApiNotListening', detail: 'a' }, undefined, 100);
    expect(lasting({ reason: 'ApiNotListening', detail: 'b' }, first, 200)).toEqual({ reason: 'ApiNotListening', detail: 'b', since: 100 });
    expect(lasting({ reason: 'ApiNotReady', detail: 'c' }, first, 200).since).toBe(200);
  });
});

function thrownFor(document: unknown): Error {
  try {
    apiTools(document, { url, reservedHeaders: [] });
  } catch (error) {
    if (error instanceof UnusableDocument) return error;
  }
  throw new Error('the document was taken');
}
