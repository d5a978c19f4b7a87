import type { Tenant } from '../../crds/tenant.ts';

/** The tenant an organization is made for, as the organization's metadata at WorkOS says it. */
export interface Holder {
  readonly uid: string;
  readonly name: string;
  /** Base URL of the installation: several may share a WorkOS environment, and each has its own. */
  readonly installation: string;
}

/** Keys of an organization's metadata: docs/guides/workos.md tells people of the first. */
const marks = { name: 'tenantry_tenant', uid: 'tenantry_tenant_uid', installation: 'tenantry_installation' } as const;

export function holderOf({ metadata }: Tenant, installation: string): Holder {
  return { uid: metadata.uid ?? '', name: metadata.name, installation };
}

export function marksOf({ uid, name, installation }: Holder): Record<string, string> {
  return { [marks.name]: name, [marks.uid]: uid, [marks.installation]: installation };
}

/**
 * - `own`: it was made for this very tenant.
 * - `free`: it was made for a tenant of this name that is gone, or somebody at WorkOS has given it to the name.
 * - `unmarked`: nobody's that Tenantry knows of, so it may well be another program's.
 * - `taken`: another tenant's, here or in another installation.
 */
export type Holding = 'own' | 'free' | 'unmarked' | 'taken';

export function holdingOf(metadata: Readonly<Record<string, string>>, { uid, name, installation }: Holder): Holding {
  const { [marks.name]: heldBy, [marks.uid]: heldByUid, [marks.installation]: heldIn } = metadata;
  if (uid !== '' && heldByUid === uid) return 'own';
  if (heldBy === undefined) return heldByUid === undefined ? 'unmarked' : 'taken';
  // A name is one tenant's at a time, so that whoever had it in this installation under another UID is gone.
  const here = heldByUid === undefined || heldIn === installation;
  return heldBy === name && here ? 'free' : 'taken';
}

/** Whether `a` comes before `b` where both want the same that nobody has yet: the older one, or else by name. */
export function precedes(a: Tenant, b: Tenant): boolean {
  const [x, y] = [a, b].map(({ metadata }) => metadata.creationTimestamp ?? '');
  if (x !== y) return (x ?? '') < (y ?? '');
  return a.metadata.name < b.metadata.name;
}
