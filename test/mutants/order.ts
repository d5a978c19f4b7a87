/** Files through which the processes of a mutation run exchange orders and findings. */

/** In the folder of the run: the order under way. */
export const orderFile = 'order.json';
/** In the folder of the run: one finding a line. */
export const findingsFile = 'findings.jsonl';

export interface Order {
  /** File of tests. */
  readonly file: string;
  /**
   * Mutants to run the file with, one after the other, each with modules loaded anew. Without any, the file is run once as it is, and each
   * of its tests is repeated with the mutants it reaches.
   */
  readonly own: readonly number[];
  /** Mutants that no test has to be repeated with. */
  readonly killed: readonly number[];
  /** Ids of tests that take too long to be run for each mutant. */
  readonly slow: readonly string[];
}

export type Finding =
  | { readonly kind: 'reached'; readonly ids: readonly number[] }
  /** Mutants of code that runs when modules are loaded, or of tests that cannot be repeated: they need a run of their own. */
  | { readonly kind: 'later'; readonly file: string; readonly ids: readonly number[] }
  | { readonly kind: 'running'; readonly id: number }
  | { readonly kind: 'killed'; readonly id: number; readonly file: string; readonly test: string }
  | { readonly kind: 'slow'; readonly id: string }
  /** The test fails without a mutant. */
  | { readonly kind: 'failed'; readonly file: string; readonly test: string; readonly error: string };
