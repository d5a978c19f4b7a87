import { z } from 'zod';

/** Metadata of every Kubernetes object, as raw JSON. Times are RFC 3339 strings. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/**
 * All characters except control characters. A NUL ends a variable early and PostgreSQL refuses it; other control characters confuse
 * terminals. The syntax is also valid in Go, for the CRD.
 */
const lineCharacters = '[^\\x00-\\x1f\\x7f-\\x9f]';
const textCharacters = '[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]';
const linePattern = new RegExp(`^${lineCharacters}*$`);
const textPattern = new RegExp(`^${textCharacters}*$`);
const noControls = 'must not have control characters';
const fewControls = 'must not have control characters other than tabs and line breaks';

/** One line of at most `max` characters. */
export const lineOf = (max: number): z.ZodString => z.string().max(max).regex(linePattern, noControls);

/** Text of at most `max` characters. Tabs and line breaks are allowed. */
export const textOf = (max: number): z.ZodString => z.string().max(max).regex(textPattern, fewControls);

/** The fault of a text that does not match {@link textOf}, as the end of a sentence. */
export const faultOfText = (text: string): string | undefined => (textPattern.test(text) ? undefined : fewControls);

/** A Kubernetes quantity such as 250m or 128Mi. */
export const quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/, 'must be a Kubernetes quantity such as 250m or 128Mi');

interface Rule {
  readonly rule: string;
  readonly message: string;
}

/** Extensions of a structural schema, as metadata of a zod schema; the CRD generator copies them. */
export const rules = {
  /** CEL rules that the API server checks on every write: https://kubernetes.io/docs/reference/using-api/cel/ */
  cel: (...validations: Rule[]) => ({ 'x-kubernetes-validations': validations }),
  /** A list that server-side apply merges by key, so that two managers can own entries of it. */
  listMap: (key: string) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] }),
  /** An object with a shape of the user's choice. The API server does not prune it. */
  preserveUnknown: { 'x-kubernetes-preserve-unknown-fields': true },
};
