import type { AdminApiClient, Schemas } from '../../../control-plane/client/client.ts';

type AuditRecord = Schemas['AuditRecord'];
type Actor = Pick<AuditRecord, 'actor' | 'impersonator'>;

/** Names of the API keys among the actors, by key id. Revoked keys and keys of deleted tenants have no name. */
export async function namesOfKeys(api: AdminApiClient, records: readonly AuditRecord[]): Promise<ReadonlyMap<string, string>> {
  const tenants = new Set(records.flatMap(({ actor, tenant }) => (actor.startsWith('key:') && tenant !== undefined ? [tenant.name] : [])));
  const lists = [...tenants].map(async (name) => {
    const { data } = await api.GET('/admin/tenants/{name}/api-keys', { params: { path: { name } } });
    return data?.items ?? [];
  });
  return new Map((await Promise.all(lists)).flat().map(({ id, name }) => [id, name]));
}

/** The actor of a record, for people: `user user_01...`, `API key nightly (3mX9aQ7bK2Lp)`. */
export function actorInWords({ actor, impersonator }: Actor, keyNames: ReadonlyMap<string, string>): string {
  return impersonator === undefined ? subjectInWords(actor, keyNames) : `${subjectInWords(actor, keyNames)} (by ${impersonator})`;
}

function subjectInWords(subject: string, keyNames: ReadonlyMap<string, string>): string {
  if (subject.startsWith('user_')) return `user ${subject}`;
  if (subject.startsWith('client_')) return `application ${subject}`;
  if (subject.endsWith('/tenantry-operator')) return 'operator';
  if (!subject.startsWith('key:')) return subject;
  const id = subject.slice('key:'.length);
  const name = keyNames.get(id);
  return name === undefined ? `API key ${id}` : `API key ${name} (${id})`;
}

/** The action of a record, for people; a tool call with its tool: `tools.call create_note`. */
export function actionInWords({ action, details }: Pick<AuditRecord, 'action' | 'details'>): string {
  const tool = details !== null && typeof details === 'object' && 'tool' in details ? details.tool : undefined;
  return typeof tool === 'string' ? `${action} ${tool}` : action;
}
