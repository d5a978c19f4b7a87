/** Exit codes of the process. Scripts depend on them: add codes, but do not change or remove any. */
export const exitCodes = {
  ok: 0,
  /** Any other failure. */
  failed: 1,
  /** The command or its options are wrong. */
  usage: 2,
  notFound: 3,
  /** Not signed in, or without the permission. */
  notAuthorized: 4,
  /** The object already exists, was changed meanwhile, or its state does not allow the action. */
  conflict: 5,
  /** A required server does not answer. The same command may succeed later. */
  unavailable: 6,
  /** The request is not valid. The output lists every fault. */
  invalid: 7,
  /** The wait timed out. */
  timedOut: 8,
  /** The command ran and found a fault, such as a broken link, a broken chain or a missing setting. */
  faultFound: 9,
  /** Ended by Ctrl-C, SIGTERM or SIGHUP. */
  interrupted: 130,
} as const;

export type Outcome = keyof typeof exitCodes;
