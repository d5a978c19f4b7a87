import type { Fault } from '../../crds/parameters.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { isObject } from '../../json/object.ts';
import { escapePointer } from '../../json/pointer.ts';
import { readQuantity } from '../../kube/quantity.ts';

type Amounts = Readonly<Record<string, unknown>>;

/** Containers of which more is guaranteed than allowed: Kubernetes would refuse their pods. A tenant's amounts stand over the template's. */
export function resourceFaults(template: StackTemplateSpec, containers: unknown): Fault[] {
  if (!isObject(containers)) return [];
  return Object.entries(containers).flatMap(([name, override]) => {
    const chosen = isObject(override) ? override['resources'] : undefined;
    if (!isObject(chosen)) return [];
    const base = name === 'mcp' ? template.mcp?.resources : template.containers.find((container) => container.name === name)?.resources;
    const ofTenant = { requests: amounts(chosen['requests']), limits: amounts(chosen['limits']) };
    const requests: Amounts = { ...base?.requests, ...ofTenant.requests };
    const limits: Amounts = { ...base?.limits, ...ofTenant.limits };
    return Object.keys(requests).flatMap((resource) => {
      const [wanted, allowed] = [amount(requests[resource]), amount(limits[resource])];
      if (wanted === undefined || allowed === undefined || wanted <= allowed) return [];
      const part = resource in ofTenant.requests ? 'requests' : 'limits';
      if (!(resource in ofTenant[part])) return [];
      const pointer = `/containers/${escapePointer(name)}/resources/${part}/${escapePointer(resource)}`;
      return [{ pointer, message: `the request ${requests[resource]} is above the limit ${limits[resource]}` }];
    });
  });
}

function amounts(value: unknown): Amounts {
  return isObject(value) ? value : {};
}

function amount(value: unknown): number | undefined {
  return typeof value === 'string' ? readQuantity(value) : undefined;
}
