import { ConfigurationError, type Environment, jsonObject } from './environment.ts';

/** Switches of the tenant that are off, from TENANTRY_SERVICES: a JSON object of `{"<switch>": true | false}`. */
export function switchesOff(environment: Environment): ReadonlySet<string> {
  const services = jsonObject(environment, 'TENANTRY_SERVICES');
  for (const value of Object.values(services)) {
    if (typeof value !== 'boolean') throw new ConfigurationError('TENANTRY_SERVICES must be a JSON object of true and false');
  }
  return new Set(Object.keys(services).filter((name) => services[name] === false));
}
