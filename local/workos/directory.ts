import { Memberships } from './directory/memberships.ts';
import { OAuthResources } from './directory/oauth-resources.ts';
import { Organizations } from './directory/organizations.ts';
import { Roles } from './directory/roles.ts';
import { Users } from './directory/users.ts';
import type { Events } from './events.ts';
import type { Store } from './store.ts';

/** What an environment has, each kind refusing what WorkOS refuses and telling the events of its changes. */
export interface Directory {
  readonly roles: Roles;
  readonly memberships: Memberships;
  readonly organizations: Organizations;
  readonly users: Users;
  readonly resources: OAuthResources;
}

export function openDirectory(store: Store, events: Events): Directory {
  const roles = new Roles(store, events);
  const memberships = new Memberships(store, events, roles);
  return {
    roles,
    memberships,
    organizations: new Organizations(store, events, memberships),
    users: new Users(store, events, memberships),
    resources: new OAuthResources(store),
  };
}
