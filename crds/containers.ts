import { entriesOf } from '../json/object.ts';
import { escapePointer } from '../json/pointer.ts';
import type { Fault } from './parameters.ts';
import { readQuantity } from './quantity.ts';
import type { StackTemplateSpec } from './stack-template.ts';
import { isOperatorVariable, type ResourceAmounts } from './tenant.ts';

/** Resources of a container if neither the template nor the tenant names any. */
export const defaultResources = {
  requests: { cpu: '10m', memory: '64Mi' },
  limits: { memory: '256Mi' },
} as const;

/** Most resources that a tenant may request if its template sets no maximum. */
export const defaultMaxResources: ResourceAmounts = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '10Gi' };

/**
 * Faults of a tenant's `containers`: containers that the template does not have, variables that the template does not leave to tenants, and
 * resources beyond its bounds. `containers` may have any shape, because its form is checked at the same time. `at` is its pointer in the
 * user's document.
 */
export function containerFaults(template: StackTemplateSpec, containers: unknown, at = '/spec/containers'): Fault[] {
  const known = [...template.containers, { name: 'mcp', ...template.mcp }];
  return entriesOf(containers).flatMap(([name, override]) => {
    const pointer = `${at}/${escapePointer(name)}`;
    const container = known.find((one) => one.name === name);
    if (container === undefined) {
      const names = known.map((one) => one.name).join(', ');
      return [{ pointer, message: `is not a container of the template; it has: ${names}` }];
    }
    const { env, resources } = Object.fromEntries(entriesOf(override));
    return [...variableFaults(container, env, `${pointer}/env`), ...resourceFaults(container, resources, `${pointer}/resources`)];
  });
}

interface ContainerBounds {
  readonly resources?: StackTemplateSpec['containers'][number]['resources'];
  readonly maxResources?: ResourceAmounts | undefined;
  /** Undefined for the sidecar, which leaves no variables to tenants. */
  readonly tenantEnv?: readonly string[] | undefined;
}

/**
 * Variables that the template does not leave to tenants. A variable can run code in a program, and each language has other variables of
 * that kind, so only the template can name the harmless ones.
 */
function variableFaults({ tenantEnv = [] }: ContainerBounds, env: unknown, at: string): Fault[] {
  if (!Array.isArray(env)) return [];
  const allowed = tenantEnv.filter((name) => !isOperatorVariable(name));
  const hint = allowed.length === 0 ? 'tenants cannot set any variable of this container' : `tenants can set: ${allowed.join(', ')}`;
  return env.flatMap((variable: unknown, index) => {
    const { name } = Object.fromEntries(entriesOf(variable));
    if (typeof name !== 'string' || allowed.includes(name)) return [];
    return [{ pointer: `${at}/${index}/name`, message: `${name} is not in tenantEnv of the template; ${hint}` }];
  });
}

/** Amounts above the template's bounds, and requests above limits. With a request above its limit, Kubernetes would refuse the pods. */
function resourceFaults({ resources: ofTemplate, maxResources }: ContainerBounds, chosen: unknown, at: string): Fault[] {
  const ofTenant = Object.fromEntries(entriesOf(chosen).map(([part, amounts]) => [part, Object.fromEntries(entriesOf(amounts))]));
  const max: ResourceAmounts = { ...defaultMaxResources, ...maxResources };
  const amounts = (part: 'requests' | 'limits'): Record<string, unknown> => ({
    ...defaultResources[part],
    ...ofTemplate?.[part],
    ...ofTenant[part],
  });
  const [requests, limits] = [amounts('requests'), amounts('limits')];
  return (['requests', 'limits'] as const).flatMap((part) =>
    entriesOf(ofTenant[part]).flatMap(([resource, amount]) => {
      const pointer = `${at}/${part}/${escapePointer(resource)}`;
      const most = max[resource as keyof ResourceAmounts];
      if (isAbove(amount, most)) return [{ pointer, message: `${String(amount)} is above maxResources of the template, ${most}` }];
      // Reported once, at the request, if the tenant sets both.
      if (part === 'limits' && resource in (ofTenant['requests'] ?? {})) return [];
      if (!isAbove(requests[resource], limits[resource])) return [];
      return [{ pointer, message: `the request ${String(requests[resource])} is above the limit ${String(limits[resource])}` }];
    }),
  );
}

function isAbove(amount: unknown, bound: unknown): boolean {
  const [left, right] = [amount, bound].map((text) => (typeof text === 'string' ? readQuantity(text) : undefined));
  return left !== undefined && right !== undefined && left > right;
}
