import { z } from 'zod';

/** Reasons why the API behind a sidecar cannot be used. They are reasons of the condition WorkloadAvailable. */
export const apiFaultReasons = ['DocumentUnusable', 'ApiNotListening', 'ApiNotReady'] as const;

/** Longest list of names in a report. The count beside the list includes all names. */
export const reportedNames = 10;

/** Text from a pod: one line of at most `length` characters. Control characters and marks that reorder text are refused. */
const line = (length: number) =>
  z
    .string()
    .max(10_000)
    .transform((text) => text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim())
    .transform((text) => (text.length > length ? `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : text));

const count = z.int().min(0).max(1_000_000);
const names = z
  .array(line(200))
  .max(100)
  .transform((list) => list.slice(0, reportedNames));

/**
 * The sidecar's report on the API beside it, which the operator reads from the pod. A hostile pod may answer anything, so the operator
 * accepts only a report that matches this schema.
 */
export const apiReport = z.object({
  /** Absent while the API answers, reports that it is ready, and has a usable document. `seconds`: duration of the fault. */
  fault: z.object({ reason: z.enum(apiFaultReasons), detail: line(300), seconds: z.number().min(0).max(1e9) }).optional(),
  /** Absent until a document has been loaded. */
  document: z
    .object({
      operations: count,
      /** Operations that are not exposed as tools, each with its reason. */
      leftOut: z.object({ count, first: names }),
      /** Entries of spec.tools that match no tool, such as `deny: delete_*`. */
      unmatched: names,
    })
    .optional(),
});

export type ApiReport = z.infer<typeof apiReport>;
export type ApiFaultReason = (typeof apiFaultReasons)[number];
