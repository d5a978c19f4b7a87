import type { Tenant } from '../crds/tenant.ts';
import { type DemoTenant, demoPassword } from './demo.ts';
import { askForTools, callTool } from './mcp-requests.ts';
import { signIn } from './sign-in.ts';

/** Called with each step of the tour and its outcome. */
export type Tell = (step: string, outcome: string) => void;

/** A tenant that passed the tour, and the token of its signed-in user. */
export interface Shown {
  readonly accessToken: string;
}

interface Step {
  readonly demo: DemoTenant;
  readonly tenant: Tenant;
}

/**
 * Shows with the official MCP client that the first tenant works and that the second refuses the first tenant's user.
 * @throws Error that names the failed step.
 */
export async function tour(first: Step, second: Step, tell: Tell): Promise<Shown[]> {
  const { mcp, metadata } = endpointsOf(first.tenant);
  const challenge = await askForTools(mcp);
  await expectThat(
    challenge.status === 401 && challenge.headers.get('www-authenticate')?.includes(metadata),
    'a request without a token',
    challenge,
  );
  tell('no token', `401, and WWW-Authenticate names ${metadata}`);

  const document = await fetch(metadata);
  const { resource, authorization_servers: servers = [] } = (await document.json()) as {
    resource?: string;
    authorization_servers?: string[];
  };
  await expectThat(document.ok && resource === mcp && servers.length > 0, 'the metadata', document);
  tell('metadata', `resource ${resource}, authorization server ${servers[0]}`);

  const session = await signIn(mcp, { email: first.demo.email, password: demoPassword });
  tell('sign-in', `${first.demo.email} by authorization code with PKCE; token for ${mcp} alone`);

  const { tools } = await session.client.listTools();
  if (tools.length === 0) throw new Error(`${mcp} lists no tools`);
  tell(
    'tools',
    `${tools.length}: ${tools
      .slice(0, 4)
      .map((tool) => tool.name)
      .join(', ')}, ...`,
  );

  const title = `Hello from ${first.demo.displayName}`;
  const created = await callTool(session.client, 'create_note', { title, content: 'Written by an LLM client.' });
  const read = await callTool(session.client, 'get_note', { uid: created['uid'] });
  if ((read['payload'] as { title?: string } | undefined)?.title !== title)
    throw new Error('the note that was read is not the note that was created');
  tell('a note', `created and read back: ${String(created['uid'])}, written by ${String(read['createdBy'])}`);

  const other = endpointsOf(second.tenant).mcp;
  const refused = await askForTools(other, session.accessToken);
  await expectThat(refused.status === 401, `${other} with the token of ${first.demo.name}`, refused);
  tell('another tenant', `${second.demo.name} refuses the same token: 401`);
  await session.client.close();

  const theirs = await signIn(other, { email: second.demo.email, password: demoPassword });
  await theirs.client.close();
  return [{ accessToken: session.accessToken }, { accessToken: theirs.accessToken }];
}

function endpointsOf(tenant: Tenant): { mcp: string; metadata: string } {
  const { endpoints } = tenant.status ?? {};
  if (!endpoints) throw new Error(`tenant ${tenant.metadata.name} has no endpoints`);
  return endpoints;
}

async function expectThat(holds: boolean | undefined, what: string, response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
  if (!holds) throw new Error(`${what} was answered with ${response.status}, which is not what it must be`);
}
