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

/** Roles of the environment and their permissions. https://workos.com/docs/reference/roles */
export class Roles {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
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
    this.#kept.definedPermissions[permission.slug] = permission;
    this.#store.save();
    return permission;
  }

  permissions(): Permission[] {
    return Object.values(this.#kept.definedPermissions);
  }

  /** @throws Refusal when there is no such permission. */
  #requirePermission(slug: string): void {
    if (this.#kept.definedPermissions[slug] === undefined) throw unknown('Permission', slug);
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
    return this.#keepRole(role);
  }

  roles(): Role[] {
    return Object.values(this.#kept.roles);
  }

  #role(slug: string): Role {
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

  setPermissions(slug: string, permissions: readonly string[]): Role {
    const role = this.#role(slug);
    for (const permission of permissions) this.#requirePermission(permission);
    return this.#keepRole({ ...role, permissions: [...new Set(permissions)], updated_at: new Date().toISOString() });
  }

  addPermission(slug: string, permission: string): Role {
    const role = this.#role(slug);
    this.#requirePermission(permission);
    return role.permissions.includes(permission) ? role : this.setPermissions(slug, [...role.permissions, permission]);
  }

  /** Permissions of the role. Empty when the role no longer exists. */
  permissionsOf(slug: string): readonly string[] {
    return this.#kept.roles[slug]?.permissions ?? [];
  }

  #keepRole(role: Role): Role {
    this.#kept.roles[role.slug] = role;
    this.#store.save();
    return role;
  }
}

function requireSlug(slug: string, pattern: RegExp): void {
  if (!pattern.test(slug)) throw invalid('Validation failed.', [{ field: 'slug', code: 'invalid' }]);
}

const unknown = (what: string, slug: string) =>
  new Refusal(404, { message: `${what} not found: '${slug}'.`, code: 'entity_not_found', entity_id: slug });
