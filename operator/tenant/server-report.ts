import type { ApiReport } from '../../crds/api-report.ts';
import type { TenantStatus } from '../../crds/tenant.ts';

type Server = NonNullable<TenantStatus['server']>;
type Reported = Pick<Server, 'operations' | 'operationsLeftOut' | 'unmatchedTools'>;

/** The part of `status.server` that comes from the sidecar's report. Empty lists are left out. */
export function reportedOf(report: ApiReport | undefined): Reported {
  if (report?.document === undefined) return {};
  const { operations, leftOut, unmatched } = report.document;
  return {
    operations,
    ...(leftOut.count > 0 ? { operationsLeftOut: leftOut } : {}),
    ...(unmatched.length > 0 ? { unmatchedTools: unmatched } : {}),
  };
}

/** Sentences about tools that people may miss, each with its remedy. */
export function toolNotices({ tools, operations, operationsLeftOut, unmatchedTools }: Server): string[] {
  const notices: string[] = [];
  if (operations === 0) notices.push("The API's OpenAPI document has no operation, so there is no tool. Add operations under its paths.");
  else if (tools === 0) notices.push('There is no tool: correct spec.tools and spec.services of the tenant, or the OpenAPI document.');
  if (operationsLeftOut !== undefined) {
    const { count, first } = operationsLeftOut;
    const more = count > first.length ? `; and ${count - first.length} more` : '';
    notices.push(`${count} of ${operations ?? count} operations became no tool: ${first.join('; ')}${more}.`);
  }
  if (unmatchedTools !== undefined) notices.push(`Entries of spec.tools match no tool: ${unmatchedTools.join('; ')}.`);
  return notices;
}
