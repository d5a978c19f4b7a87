import { Applications } from './directory/applications.ts';
import { Invitations } from './directory/invitations.ts';
import { Memberships } from './directory/memberships.ts';
import { OAuthResources } from './directory/oauth-resources.ts';
import { Organizations } from './directory/organizations.ts';
import { Origins } from './directory/origins.ts';
import { Roles } from './directory/roles.ts';
import { Users } from './directory/users.ts';
import type { Events } from './events.ts';
import type { Store } from './store.ts';

/** Contents of an environment. Each kind refuses the same requests as WorkOS, and emits events for its changes. */
export interface Directory {
  readonly roles: Roles;
  readonly memberships: Memberships;
  readonly organizations: Organizations;
  readonly users: Users;
  readonly invitations: Invitations;
  readonly resources: OAuthResources;
  readonly origins: Origins;
  readonly applications: Applications;
}

export function openDirectory(store: Store, events: Events): Directory {
  const roles = new Roles(store, events);
  const memberships = new Memberships(store, events, roles);
  const organizations = new Organizations(store, events, memberships);
  const users = new Users(store, events, memberships);
  return {
    roles,
    memberships,
    organizations,
    users,
    invitations: new Invitations(store, events, { roles, memberships, organizations, users }),
    resources: new OAuthResources(store),
    origins: new Origins(store),
    applications: new Applications(store, organizations),
  };
}
