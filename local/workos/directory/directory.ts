import type { Events } from '../state/events.ts';
import type { Store } from '../state/store.ts';
import { Applications } from './applications.ts';
import { Invitations } from './invitations.ts';
import { Memberships } from './memberships.ts';
import { OAuthResources } from './oauth-resources.ts';
import { Organizations } from './organizations.ts';
import { RedirectUris } from './redirect-uris.ts';
import { Roles } from './roles.ts';
import { Users } from './users.ts';

/** Contents of an environment. Each kind refuses the same requests as WorkOS, and emits events for its changes. */
export interface Directory {
  readonly roles: Roles;
  readonly memberships: Memberships;
  readonly organizations: Organizations;
  readonly users: Users;
  readonly invitations: Invitations;
  readonly resources: OAuthResources;
  readonly redirectUris: RedirectUris;
  readonly applications: Applications;
}

export function openDirectory(store: Store, events: Events): Directory {
  const roles = new Roles(store);
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
    redirectUris: new RedirectUris(store),
    applications: new Applications(store, organizations),
  };
}
