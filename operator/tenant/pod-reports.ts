import { isDeepStrictEqual } from 'node:util';
import { type ApiReport, apiReport } from '../../crds/api-report.ts';
import { pod as podNames } from '../../crds/names.ts';
import { bounded } from './bounded-response.ts';
import type { PodObject } from './workload-state.ts';

/** Time that a pod gets to become ready before its sidecar is asked for a report, in milliseconds. Most pods are ready by then. */
const patienceMs = 2_000;
/** Time between two reports of one pod, in milliseconds. A pod that stays unready is asked less often. */
const intervalMs = { young: 2_000, old: 10_000, youngForMs: 120_000 };
/** Longest time for the answer of a pod, in milliseconds. */
const timeoutMs = 1_000;
/** Largest answer that is accepted, in bytes. */
const answerLimit = 32 * 1024;
/** Most reports that are read at the same time. Others wait for the next pass. */
const readingLimit = 32;
/** Time after which an entry is removed if its report was not requested, in milliseconds. */
const forgetMs = 10 * 60_000;

export interface PodReportsOptions {
  readonly fetch: typeof globalThis.fetch;
  /** Called with the tenant when the report of one of its pods has changed. */
  readonly onNews: (tenant: string) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

interface Entry {
  readonly since: number;
  askedAt: number;
  readAt: number;
  reading: boolean;
  report: ApiReport | undefined;
}

/**
 * Reports of the sidecars whose pods are not ready. They are read outside the reconciles, so that a pod that does not answer holds no
 * worker. The address of a pod comes from Kubernetes, and the pods of a tenant come from its own namespace, so no pod can report for
 * another tenant.
 */
export class PodReports {
  readonly #options: PodReportsOptions;
  readonly #entries = new Map<string, Entry>();
  #reading = 0;

  constructor(options: PodReportsOptions) {
    this.#options = options;
  }

  /** The newest report of the pod, if any. Requests the next report when it is due. */
  latest(tenant: string, pod: PodObject): ApiReport | undefined {
    const now = this.#options.now();
    const uid = pod.metadata.uid ?? '';
    if (!canReport(pod)) return undefined;
    const entry = this.#entries.get(uid) ?? this.#remember(uid, now);
    entry.askedAt = now;
    const due = Math.max(entry.since + patienceMs, entry.readAt + interval(now - entry.since));
    if (now >= due && !entry.reading && this.#reading < readingLimit) void this.#renew(tenant, pod, entry);
    return entry.report;
  }

  /** Milliseconds until the next report of the pod is due; undefined for a pod that cannot report. */
  dueIn(pod: PodObject): number | undefined {
    const entry = this.#entries.get(pod.metadata.uid ?? '');
    if (entry === undefined || !canReport(pod)) return undefined;
    const now = this.#options.now();
    return Math.max(200, entry.since + patienceMs - now, entry.readAt + interval(now - entry.since) - now);
  }

  /** One report, directly from the pod; undefined if the pod does not answer or the answer is not a report. */
  async read({ status }: PodObject): Promise<ApiReport | undefined> {
    const address = status?.podIP;
    if (address === undefined) return undefined;
    const host = address.includes(':') ? `[${address}]` : address;
    try {
      const response = await this.#options.fetch(`http://${host}:${podNames.sidecarPort}/report`, {
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer: unknown = await bounded(response, { bytes: answerLimit }).json();
      return response.status === 200 ? apiReport.safeParse(answer).data : undefined;
    } catch {
      // The pod may be gone, still starting, or hostile. Its state in Kubernetes must then suffice.
      return undefined;
    }
  }

  async #renew(tenant: string, pod: PodObject, entry: Entry): Promise<void> {
    entry.reading = true;
    entry.readAt = this.#options.now();
    this.#reading++;
    const before = entry.report;
    entry.report = await this.read(pod);
    entry.reading = false;
    this.#reading--;
    if (!isDeepStrictEqual(withoutTime(before), withoutTime(entry.report))) this.#options.onNews(tenant);
  }

  #remember(uid: string, now: number): Entry {
    for (const [known, { askedAt }] of this.#entries) if (now - askedAt > forgetMs) this.#entries.delete(known);
    const entry: Entry = { since: now, askedAt: now, readAt: Number.NEGATIVE_INFINITY, reading: false, report: undefined };
    this.#entries.set(uid, entry);
    return entry;
  }
}

/** The report without the time, which differs in every report and is not a change. */
const withoutTime = (report: ApiReport | undefined): unknown => ({ ...report, fault: { ...report?.fault, seconds: 0 } });

/** Whether the sidecar of the pod runs, so that it can report. */
function canReport({ metadata, status }: PodObject): boolean {
  const sidecar = status?.containerStatuses?.find(({ name }) => name === podNames.sidecarContainer);
  return metadata.deletionTimestamp === undefined && status?.podIP !== undefined && sidecar?.state?.running !== undefined;
}

const interval = (age: number): number => (age < intervalMs.youngForMs ? intervalMs.young : intervalMs.old);
