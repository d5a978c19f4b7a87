/**
 * Lists the values of a union type from the Admin API's generated client, which has only types. The compiler rejects a missing or an extra
 * value.
 */
export const choicesOf = <T extends string>(all: Readonly<Record<T, true>>): readonly T[] => Object.keys(all) as T[];
