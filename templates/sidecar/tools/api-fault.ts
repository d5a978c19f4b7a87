import type { ApiReport } from '../../../crds/api-report.ts';
import { AnswerTooLarge, UpstreamUnreachable } from '../http/upstream.ts';
import { UnusableDocument } from './api-document.ts';

/** Why the API cannot be used. Its text names paths and statuses, never anything that the API answered. */
export interface ApiFault {
  readonly reason: NonNullable<ApiReport['fault']>['reason'];
  /** A sentence. */
  readonly detail: string;
  /** When it began, in milliseconds of the clock that was passed in. */
  readonly since: number;
}

type Found = Omit<ApiFault, 'since'>;

/** Error codes of a port without a listener. A closed port refuses; a firewall lets the attempt wait. */
const notListening = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT']);

/** The fault of the API that a failed reading of the document at `url` shows. */
export function documentFault(error: unknown, url: URL): Found {
  const request = requestFault(error, url, url.pathname);
  if (request !== undefined) return request;
  const document = `The document at ${url.pathname}`;
  if (error instanceof UnusableDocument) return { reason: 'DocumentUnusable', detail: `${document} ${error.message}.` };
  if (error instanceof AnswerTooLarge) return { reason: 'DocumentUnusable', detail: `${document} is too large: ${error.message}.` };
  return { reason: 'DocumentUnusable', detail: `${document} cannot be read.` };
}

/** The fault of an API that did not answer a GET of `path`; undefined for every other error. */
export function requestFault(error: unknown, { hostname, port, protocol }: URL, path: string): Found | undefined {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return { reason: 'ApiNotReady', detail: `GET ${path} was not answered in time.` };
  }
  if (!(error instanceof UpstreamUnreachable)) return undefined;
  const number = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  if (notListening.has(error.code)) {
    return { reason: 'ApiNotListening', detail: `The API does not listen on port ${number} of ${hostname} (${error.code}).` };
  }
  return { reason: 'ApiNotReady', detail: `The API accepts connections but does not answer GET ${path} (${error.code}).` };
}

/** The fault with the time since when it lasts: one for the same reason goes on. */
export function lasting(found: Found, before: ApiFault | undefined, now: number): ApiFault {
  return { ...found, since: before?.reason === found.reason ? before.since : now };
}
