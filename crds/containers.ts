import { escapePointer } from '../json/pointer.ts';
import type { Fault } from './parameters.ts';
import type { StackTemplateSpec } from './stack-template.ts';

const ofTheOperator = ['POD_IP', 'HOST', 'PORT', 'DATABASE_URL'];
/** Variables that decide which code runs or whom it trusts. Whoever may create tenants may not, unlike whoever may write templates. */
const ofTheRuntime =
  /^(NODE_.*|LD_.*|PYTHON.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|RUBY(OPT|LIB)|PERL5?(OPT|LIB)|BASH_ENV|ENV|IFS|PATH|SSL_CERT_.*|.*_PROXY|.*_proxy)$/;

/** Whether a tenant may not set a variable of this name. */
export function isReservedVariable(name: string): boolean {
  return name.startsWith('TENANTRY_') || ofTheOperator.includes(name) || ofTheRuntime.test(name);
}

/**
 * Faults of a tenant's `containers`: containers the template does not have, and variables that are the operator's. `containers` may be
 * of any shape, because this is asked together with the check of its form. `at` is its pointer in the user's document.
 */
export function containerFaults(template: StackTemplateSpec, containers: unknown, at = '/spec/containers'): Fault[] {
  const known = [...template.containers.map(({ name }) => name), 'mcp'];
  return entriesOf(containers).flatMap(([name, override]) => {
    const pointer = `${at}/${escapePointer(name)}`;
    if (!known.includes(name)) return [{ pointer, message: `is not a container of the template; it has: ${known.join(', ')}` }];
    const variables = (override as { env?: unknown } | null)?.env;
    if (!Array.isArray(variables) || variables.length === 0) return [];
    if (name === 'mcp') return [{ pointer: `${pointer}/env`, message: 'is not allowed: the MCP sidecar takes resources only' }];
    return variables.flatMap((variable: { name?: unknown } | null, index) =>
      typeof variable?.name === 'string' && isReservedVariable(variable.name)
        ? [{ pointer: `${pointer}/env/${index}/name`, message: `${variable.name} is reserved; choose another name` }]
        : [],
    );
  });
}

function entriesOf(value: unknown): [string, unknown][] {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : [];
}
