import type { Tenant } from '../../crds/tenant.ts';

/** The tenant that an organization was made for, as recorded in the organization's metadata at WorkOS. */
export interface OrganizationOwner {
  readonly uid: string;
  readonly name: string;
  /** Base URL of the installation. Installations that share a WorkOS environment have different ones. */
  readonly installation: string;
}

/** Keys of an organization's metadata. docs/guides/workos.md describes the first. */
const marks = { name: 'tenantry_tenant', uid: 'tenantry_tenant_uid', installation: 'tenantry_installation' } as const;

export function ownerOf({ metadata }: Tenant, installation: string): OrganizationOwner {
  return { uid: metadata.uid ?? '', name: metadata.name, installation };
}

export function marksOf({ uid, name, installation }: OrganizationOwner): Record<string, string> {
  return { [marks.name]: name, [marks.uid]: uid, [marks.installation]: installation };
}

/**
 * - `own`: it was made for this very tenant.
 * - `free`: it was made for a deleted tenant of this name, or somebody at WorkOS has assigned it to this name.
 * - `unmarked`: it has no marks of Tenantry, so it may belong to another program.
 * - `taken`: it belongs to another tenant of this or another installation.
 */
export type Ownership = 'own' | 'free' | 'unmarked' | 'taken';

export function ownershipOf(metadata: Readonly<Record<string, string>>, { uid, name, installation }: OrganizationOwner): Ownership {
  const { [marks.name]: heldBy, [marks.uid]: heldByUid, [marks.installation]: heldIn } = metadata;
  if (uid !== '' && heldByUid === uid) return 'own';
  if (heldBy === undefined) return heldByUid === undefined ? 'unmarked' : 'taken';
  // Names are unique, so a tenant of this installation with the same name and another UID no longer exists.
  const here = heldByUid === undefined || heldIn === installation;
  return heldBy === name && here ? 'free' : 'taken';
}

/** Whether `a` precedes `b` when both request the same free organization or host name: the older one, or else the first by name. */
export function precedes(a: Tenant, b: Tenant): boolean {
  const [x, y] = [a, b].map(({ metadata }) => metadata.creationTimestamp ?? '');
  if (x !== y) return (x ?? '') < (y ?? '');
  return a.metadata.name < b.metadata.name;
}
