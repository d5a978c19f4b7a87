import { databaseNames } from '../../crds/names.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { dataPolicyOf, type Tenant } from '../../crds/tenant.ts';

/** What a deletion does to the data. */
export const dataFates = ['retain', 'delete'] as const;
export type DataFate = (typeof dataFates)[number];

/** A merge patch of the spec that makes `fate` the policy; undefined where it is already. */
export function policyPatch(tenant: Tenant, fate: DataFate): Record<string, unknown> | undefined {
  if (dataPolicyOf(tenant.spec) === fate) return undefined;
  return { deletionPolicy: fate, ...(tenant.spec.database?.deletionPolicy === undefined ? {} : { database: { deletionPolicy: fate } }) };
}

/** What deleting the tenant would do, and how to say that it is meant: for whoever has not said what becomes of the data. */
export function consequences(tenant: Tenant, template: StackTemplateSpec | undefined): string {
  const { name, uid = '' } = tenant.metadata;
  const hasDatabase = tenant.status?.database !== undefined || (template?.database !== undefined && tenant.spec.database?.mode !== 'none');
  const path = `DELETE /admin/tenants/${name}`;
  const always = `Deleting ${name} removes its pods, its namespace with all secrets and API keys, its routes and its OAuth resources for good.`;
  if (!hasDatabase) return `${always} It has no database, so nothing is kept. Repeat as ${path}?data=delete.`;
  const database = tenant.status?.database?.name ?? databaseNames(uid).database;
  const server = tenant.status?.database === undefined ? '' : ` on server ${tenant.status.database.server}`;
  const policy = dataPolicyOf(tenant.spec);
  const byPolicy = policy === 'retain' ? 'keeps it, locked' : 'drops it for good';
  return (
    `${always} Its database is ${database}${server}; its deletionPolicy ${policy} ${byPolicy}. ` +
    `Say what is meant: ${path}?data=retain keeps the database, ${path}?data=delete drops it with everything in it.`
  );
}
