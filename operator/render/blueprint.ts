import type { Endpoints } from '../../crds/names.ts';
import type { StackTemplate } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { Settings } from '../installation/settings.ts';

/** Complete input of the rendering of a tenant's objects. */
export interface Blueprint {
  readonly tenant: Tenant;
  /** UID of the tenant. */
  readonly uid: string;
  readonly template: Pick<StackTemplate, 'spec'>;
  readonly revision: string;
  /** Checked against the template's schema, with its defaults filled in. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly endpoints: Endpoints;
  /** Origins of the custom domains that serve, such as https://mcp.acme.com. */
  readonly domains: readonly string[];
  /** Whether the pod gets a database. */
  readonly database: boolean;
  /** Keys of the template's secrets in their Secret, by name of the secret. */
  readonly generatedKeys: Readonly<Record<string, string>>;
  /** Changes when a Secret that the pod reads at start is replaced. */
  readonly secretsFingerprint: string;
  readonly settings: Settings;
}
