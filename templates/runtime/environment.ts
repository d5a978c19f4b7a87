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
