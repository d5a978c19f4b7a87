/** What the process ends with. Scripts match on these: one is only ever added. */
export const exitCodes = {
  ok: 0,
  /** Something else went wrong. */
  failed: 1,
  /** The command or its options are wrong. */
  usage: 2,
  notFound: 3,
  /** Not signed in, or without the permission. */
  notAuthorized: 4,
  /** It exists, or was changed meanwhile, or is in a state that does not allow it. */
  conflict: 5,
  /** Something that is needed does not answer; the same command may succeed later. */
  unavailable: 6,
  /** What was sent is not valid; every fault is listed. */
  invalid: 7,
  /** What was waited for did not happen in time. */
  timedOut: 8,
  /** The command did its work and found a fault: a broken link, a broken chain, a setting that is missing. */
  faultFound: 9,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

export type Outcome = keyof typeof exitCodes;
