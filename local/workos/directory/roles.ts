import type { Events } from '../state/events.ts';
import { newIdentifier } from '../state/identifiers.ts';
import type { Permission, Role } from '../state/records.ts';
import { invalid, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { EnvironmentSeed } from './seed.ts';

export interface NewRole {
  readonly slug: string;
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly resourceType?: string | undefined;
}

export interface NewPermission extends NewRole {
  readonly system?: boolean | undefined;
}

export interface Renaming {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
}

/** Roles of the environment and their permissions. https://workos.com/docs/reference/roles */
export class Roles {
  readonly #store: Store;
  readonly #events: Events;

  constructor(store: Store, events: Events) {
    this.#store = store;
    this.#events = events;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  /** Creates the missing permissions and roles of the seed. Existing ones stay unchanged. */
  ensure(seed: EnvironmentSeed): void {
    for (const wanted of seed.permissions) if (this.#kept.definedPermissions[wanted.slug] === undefined) this.createPermission(wanted);
    for (const { permissions, ...wanted } of seed.roles) {
      if (this.#kept.roles[wanted.slug] !== undefined) continue;
      this.createRole(wanted);
      if (permissions.length > 0) this.setPermissions(wanted.slug, permissions);
    }
  }

  createPermission(wanted: NewPermission): Permission {
    requireSlug(wanted.slug, /^[a-z0-9_:.*-]+$/);
    if (this.#kept.definedPermissions[wanted.slug] !== undefined) {
      throw new Refusal(409, { code: 'permission_slug_conflict', message: `A permission with slug '${wanted.slug}' already exists.` });
    }
    const time = new Date().toISOString();
    const permission: Permission = {
      object: 'permission',
      id: newIdentifier('perm'),
      slug: wanted.slug,
      name: wanted.name,
      description: wanted.description ?? null,
      system: wanted.system ?? false,
      resource_type_slug: wanted.resourceType ?? 'organization',
      created_at: time,
      updated_at: time,
    };
    return this.#keepPermission(permission, 'created');
  }

  permissions(): Permission[] {
    return Object.values(this.#kept.definedPermissions);
  }

  permission(slug: string): Permission {
    const found = this.#kept.definedPermissions[slug];
    if (found === undefined) throw unknown('Permission', slug);
    return found;
  }

  updatePermission(slug: string, change: Renaming): Permission {
    const before = this.permission(slug);
    if (before.system) throw new Refusal(403, { code: 'forbidden', message: 'A system permission cannot be changed.' });
    return this.#keepPermission({ ...before, ...given(change), updated_at: new Date().toISOString() }, 'updated');
  }

  /** Deletes the permission, and removes it from every role. */
  deletePermission(slug: string): void {
    const before = this.permission(slug);
    if (before.system) throw new Refusal(403, { code: 'forbidden', message: 'A system permission cannot be deleted.' });
    for (const role of this.roles()) {
      if (role.permissions.includes(slug))
        this.setPermissions(
          role.slug,
          role.permissions.filter((other) => other !== slug),
        );
    }
    delete this.#kept.definedPermissions[slug];
    this.#events.emit('permission.deleted', withoutType(before));
  }

  createRole(wanted: NewRole): Role {
    requireSlug(wanted.slug, /^[a-z0-9_-]+$/);
    if (this.#kept.roles[wanted.slug] !== undefined) {
      throw new Refusal(409, { code: 'role_slug_conflict', message: `A role with slug '${wanted.slug}' already exists.` });
    }
    const time = new Date().toISOString();
    const role: Role = {
      object: 'role',
      id: newIdentifier('role'),
      slug: wanted.slug,
      name: wanted.name,
      description: wanted.description ?? null,
      type: 'EnvironmentRole',
      resource_type_slug: wanted.resourceType ?? 'organization',
      permissions: [],
      created_at: time,
      updated_at: time,
    };
    return this.#keepRole(role, 'created');
  }

  roles(): Role[] {
    return Object.values(this.#kept.roles);
  }

  role(slug: string): Role {
    const found = this.#kept.roles[slug];
    if (found === undefined) throw unknown('Role', slug);
    return found;
  }

  /** Returns the role for a membership. */
  assignable(slug: string): Role {
    const found = this.#kept.roles[slug];
    if (found === undefined) throw new Refusal(422, { message: `Role '${slug}' is not a valid role.`, code: 'invalid_role' });
    return found;
  }

  updateRole(slug: string, change: Renaming): Role {
    return this.#keepRole({ ...this.role(slug), ...given(change), updated_at: new Date().toISOString() }, 'updated');
  }

  setPermissions(slug: string, permissions: readonly string[]): Role {
    const role = this.role(slug);
    for (const permission of permissions) this.permission(permission);
    return this.#keepRole({ ...role, permissions: [...new Set(permissions)], updated_at: new Date().toISOString() }, 'updated');
  }

  addPermission(slug: string, permission: string): Role {
    const role = this.role(slug);
    this.permission(permission);
    return role.permissions.includes(permission) ? role : this.setPermissions(slug, [...role.permissions, permission]);
  }

  /** Permissions of the role. Empty when the role no longer exists. */
  permissionsOf(slug: string): readonly string[] {
    return this.#kept.roles[slug]?.permissions ?? [];
  }

  #keepPermission(permission: Permission, happened: 'created' | 'updated'): Permission {
    this.#kept.definedPermissions[permission.slug] = permission;
    this.#events.emit(`permission.${happened}`, withoutType(permission));
    return permission;
  }

  #keepRole(role: Role, happened: 'created' | 'updated'): Role {
    this.#kept.roles[role.slug] = role;
    const { object, slug, resource_type_slug, permissions, created_at, updated_at } = role;
    this.#events.emit(`role.${happened}`, { object, slug, resource_type_slug, permissions, created_at, updated_at });
    return role;
  }
}

/** The permission as events show it, without its resource type. */
function withoutType({ resource_type_slug: _type, ...permission }: Permission): Omit<Permission, 'resource_type_slug'> {
  return permission;
}

function given({ name, description }: Renaming): { name?: string; description?: string | null } {
  return { ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) };
}

function requireSlug(slug: string, pattern: RegExp): void {
  if (!pattern.test(slug)) throw invalid('Validation failed.', [{ field: 'slug', code: 'invalid' }]);
}

const unknown = (what: string, slug: string) =>
  new Refusal(404, { message: `${what} not found: '${slug}'.`, code: 'entity_not_found', entity_id: slug });
