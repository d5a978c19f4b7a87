import type { ApiFaultReason, ApiReport } from '../../crds/api-report.ts';
import { remedyOf } from '../../crds/conditions.ts';

/** Seconds that a fault must last before the status names it, so that the start of a healthy API costs no write of the status. */
const namedAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 2, ApiNotListening: 4, ApiNotReady: 4 };

/** Seconds after which only a person can end the fault. An API that starts slowly may take a while to listen and to get ready. */
const stallsAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 10, ApiNotListening: 60, ApiNotReady: 60 };

export interface ApiProblem {
  readonly reason: ApiFaultReason;
  readonly message: string;
  /** Whether it has lasted so long that only a person can end it. */
  readonly stalls: boolean;
}

/**
 * The cause that keeps the API of a pod from being used, with the remedy. An API that `served` with the same revision of the template was not
 * brought with a mistake: it has an outage, such as a database that is away, and recovers without a person.
 */
export function apiProblem(report: ApiReport | undefined, served: boolean): ApiProblem | undefined {
  const fault = report?.fault;
  if (fault === undefined || fault.seconds < namedAfterSeconds[fault.reason]) return undefined;
  return {
    reason: fault.reason,
    message: `${fault.detail} ${remedyOf('WorkloadAvailable', fault.reason)}`,
    stalls: !served && fault.seconds >= stallsAfterSeconds[fault.reason],
  };
}
