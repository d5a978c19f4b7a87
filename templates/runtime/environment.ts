/** Reading the environment: every fault names the variable and what it should be, never its value. */

export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable's value; an empty one counts as absent. */
export function optional(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

export function required(environment: Environment, name: string): string {
  const value = optional(environment, name);
  if (value === undefined) throw new ConfigurationError(`${name} is not set`);
  return value;
}

export function integer(environment: Environment, name: string, range: { min: number; max: number; default: number }): number {
  const text = optional(environment, name);
  if (text === undefined) return range.default;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < range.min || value > range.max) {
    throw new ConfigurationError(`${name} must be a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}

export function oneOf<T extends string>(environment: Environment, name: string, values: readonly T[], fallback: T): T {
  const text = optional(environment, name);
  if (text === undefined) return fallback;
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) throw new ConfigurationError(`${name} must be one of ${values.join(', ')}`);
  return value;
}

/** An absolute http or https URL without query and fragment. */
export function httpUrl(environment: Environment, name: string): URL {
  const text = required(environment, name);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError(`${name} must be an absolute http or https URL without query and fragment`);
  }
  return url;
}

/** The variable's JSON object; an empty one where it is not set. */
export function jsonObject(environment: Environment, name: string): Readonly<Record<string, unknown>> {
  const value = json(environment, name) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new ConfigurationError(`${name} must be a JSON object`);
  return value as Record<string, unknown>;
}

/** A JSON array of texts; undefined where there is none. @param name What to call it in an error. */
export function texts(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    throw new ConfigurationError(`${name} must be a JSON array of texts`);
  }
  return value;
}

export function json(environment: Environment, name: string): unknown {
  const text = optional(environment, name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ConfigurationError(`${name} must be JSON`);
  }
}
