/**
 * Values of a union of the Admin API's generated client, which has types alone. The compiler refuses one that is missing, and one too many.
 */
export const choicesOf = <T extends string>(all: Readonly<Record<T, true>>): readonly T[] => Object.keys(all) as T[];
