import type { ApiFaultReason, ApiReport } from '../../crds/api-report.ts';

/** Seconds that a fault must last before the status names it, so that the start of a healthy API costs no write of the status. */
const namedAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 2, ApiNotListening: 4, ApiNotReady: 4 };

/** Seconds after which only a person can end the fault. An API that starts slowly may take a while to listen and to get ready. */
const stallsAfterSeconds: Readonly<Record<ApiFaultReason, number>> = { DocumentUnusable: 10, ApiNotListening: 60, ApiNotReady: 60 };

/** How each fault is mended. */
const remedies: Readonly<Record<ApiFaultReason, string>> = {
  DocumentUnusable: "Serve an OpenAPI 3 document there without a login, or correct the template's spec.openapi.path.",
  ApiNotListening: 'Let the API listen on the port and address that the variables PORT and HOST name, not on 127.0.0.1.',
  ApiNotReady: "Mend what the API waits for (its log says what), or correct the container's readyPath in the template.",
};

export interface ApiProblem {
  readonly reason: ApiFaultReason;
  readonly message: string;
  /** Whether it has lasted so long that only a person can end it. */
  readonly stalls: boolean;
}

/** What keeps the API of a pod from being used, with the remedy. Pure. */
export function apiProblem(report: ApiReport | undefined): ApiProblem | undefined {
  const fault = report?.fault;
  if (fault === undefined || fault.seconds < namedAfterSeconds[fault.reason]) return undefined;
  return {
    reason: fault.reason,
    message: `${fault.detail} ${remedies[fault.reason]}`,
    stalls: fault.seconds >= stallsAfterSeconds[fault.reason],
  };
}
