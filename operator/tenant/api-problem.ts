import type { ApiFaultReason, ApiReport } from '../../crds/api-report.ts';
import { remedyOf } from '../../crds/conditions.ts';

/** Seconds for which a fault must last before the status names it. The start of a healthy API then costs no write of the status. */
const namedAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 2, ApiNotListening: 4, ApiNotReady: 4 };

/** Seconds after which only a person can end the fault. A slow API needs time to listen and to become ready. */
const stallsAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 10, ApiNotListening: 60, ApiNotReady: 60 };

export interface ApiProblem {
  readonly reason: ApiFaultReason;
  readonly message: string;
  /** Whether the fault has lasted so long that only a person can end it. */
  readonly stalls: boolean;
}

/**
 * The cause that makes the API of a pod unusable, with the remedy. If the API has `served` with the same revision of the template, the
 * template is not at fault. Such an API has an outage, for example of its database, and recovers without a person.
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
