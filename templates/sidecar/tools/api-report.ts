import type { ApiReport } from '../../../crds/api-report.ts';
import type { Upstream } from '../http/upstream.ts';
import { type ApiFault, lasting, requestFault } from './api-fault.ts';
import type { ToolSource } from './tool-source.ts';

/** How long an answer of the API to its readiness path is used again, and how long it may take, in milliseconds. */
const checkMs = 1000;

export interface ApiReporterOptions {
  readonly upstream: Upstream;
  readonly source: Pick<ToolSource, 'fault' | 'tools'>;
  /** Path that the API answers with 200 when it can serve. */
  readonly readyPath: string | undefined;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Says how the API is, for the operator, which cannot reach it. The API's own readiness is asked only when a report is asked for. */
export class ApiReporter {
  readonly #options: ApiReporterOptions;
  #notReady: ApiFault | undefined;
  #check: { readonly at: number; readonly done: Promise<void> } | undefined;

  constructor(options: ApiReporterOptions) {
    this.#options = options;
  }

  async report(): Promise<ApiReport> {
    const { source, readyPath, now } = this.#options;
    await this.#checkReadiness();
    const fault = worseOf(source.fault, this.#notReady, readyPath !== undefined);
    const document = source.tools?.summary;
    return {
      ...(fault && { fault: { reason: fault.reason, detail: fault.detail, seconds: Math.round((now() - fault.since) / 1000) } }),
      ...(document && { document }),
    };
  }

  /** Reports that are asked for at once share one check. */
  async #checkReadiness(): Promise<void> {
    const { now } = this.#options;
    if (this.#check === undefined || now() - this.#check.at >= checkMs) this.#check = { at: now(), done: this.#ask() };
    await this.#check.done;
  }

  async #ask(): Promise<void> {
    const { upstream, readyPath, now } = this.#options;
    if (readyPath === undefined) return;
    try {
      const { status, body } = await upstream.request({
        method: 'GET',
        path: readyPath,
        headers: {},
        signal: AbortSignal.timeout(checkMs),
      });
      body.on('error', () => {}).destroy();
      // Kubernetes takes the same answers for a success.
      const ready = status >= 200 && status < 400;
      this.#notReady = ready
        ? undefined
        : lasting({ reason: 'ApiNotReady', detail: `GET ${readyPath} answered ${status}.` }, this.#notReady, now());
    } catch (error) {
      const found =
        requestFault(error, upstream.url, readyPath) ?? ({ reason: 'ApiNotReady', detail: `GET ${readyPath} failed.` } as const);
      this.#notReady = lasting(found, this.#notReady, now());
    }
  }
}

/**
 * The fault to mend first. Readiness was asked a moment ago, while the document may have been tried before the API came up. An API that is not
 * ready may answer its document wrongly for that reason alone, so that comes second, in the same words.
 */
function worseOf(document: ApiFault | undefined, readiness: ApiFault | undefined, checked: boolean): ApiFault | undefined {
  if (readiness === undefined) return checked && document?.reason === 'ApiNotListening' ? undefined : document;
  return document?.reason === 'DocumentUnusable' ? { ...readiness, detail: `${readiness.detail} ${document.detail}` } : readiness;
}
