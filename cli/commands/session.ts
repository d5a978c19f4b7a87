import type { Command } from 'commander';
import { decodeJwt } from 'jose';
import { adminApi, failureOf } from '../admin-api.ts';
import { baseUrl } from '../config/connection.ts';
import { Failure } from '../failure.ts';
import { properties } from '../output/table.ts';
import { oneLine, spanOf } from '../output/text.ts';
import { authClientOf, login } from '../session/login.ts';
import { action, examples, type InvocationOf } from './action.ts';

/** `tenantry login`, `logout`, `whoami` */
export function sessionCommands(program: Command, invocationOf: InvocationOf): void {
  program
    .command('login')
    .argument('[url]', 'URL of the control plane; that of the current context when left out')
    .description('Sign in by a browser, on this machine or another.')
    .option('--organization <id>', 'WorkOS organization to sign in to (org_...), for members of several')
    .option('--name <context>', 'name of the context that is made; the host of the URL when left out')
    .addHelpText(
      'after',
      examples(
        'tenantry login https://tenantry.example.com',
        'tenantry login --organization org_01H945H0YD4F97JN9MATX7BYAG   # another organization',
      ),
    )
    .action(
      action<{ organization?: string; name?: string }, [string | undefined]>(invocationOf, async (invocation, options, given) => {
        const { terminal, printer, contexts } = invocation;
        const url = given === undefined ? invocation.requireConnection().url : baseUrl(given, 'The URL');
        const { host } = new URL(url);
        const name = options.name ?? Object.entries(contexts.all()).find(([, context]) => context.url === url)?.[0] ?? host;
        const session = await login(await authClientOf(url, terminal.signal), {
          organizationId: options.organization,
          signal: terminal.signal,
          show: (device) => {
            printer.note(
              `Open this page and confirm the code ${device.user_code}:\n\n    ${device.verification_uri_complete ?? device.verification_uri}\n`,
            );
            printer.note('Waiting ... (Ctrl-C gives up)');
          },
        });
        contexts.use(name, { url, session });
        const { org_id: organization, role } = decodeJwt(session.accessToken);
        printer.result(
          { context: name, url, user: session.email, organization, role },
          () =>
            `Signed in at ${url} as ${oneLine(session.email ?? 'somebody')}${role === undefined ? '' : `, ${oneLine(role)}`} of ${oneLine(organization)}. Context: ${name}\n`,
        );
      }),
    );

  program
    .command('logout')
    .description('Forget the session of the current context.')
    .addHelpText('after', examples('tenantry logout'))
    .action(
      action<object, []>(invocationOf, (invocation) => {
        const { contexts, printer } = invocation;
        const connection = invocation.connection();
        if (connection?.context === undefined || contexts.find(connection.context)?.session === undefined)
          throw new Failure('notFound', 'Nobody is signed in.', { remedy: 'tenantry context list shows who is where.' });
        contexts.keepSession(connection.context, undefined);
        printer.done(
          { context: connection.context, url: connection.url, signedIn: false },
          `The session at ${connection.url} is forgotten here. It ends at WorkOS by itself, or by its administrators.`,
        );
      }),
    );

  program
    .command('whoami')
    .description('Who you are at the control plane, and what you may do there.')
    .addHelpText('after', examples('tenantry whoami', 'tenantry whoami --output json'))
    .action(
      action<object, []>(invocationOf, async (invocation) => {
        const { terminal, printer, contexts } = invocation;
        const connection = invocation.requireConnection();
        // The control plane decides whether the token is still valid. A 403 means that it is valid but its user may not list tenants.
        const { error, response } = await adminApi(invocation).GET('/admin/tenants', { params: { query: { limit: 1 } } });
        if (!response.ok && response.status !== 403) throw failureOf(response, error);
        const claims = decodeJwt((await invocation.token(connection)) ?? '');
        const who = {
          url: connection.url,
          context: connection.context,
          source: connection.source,
          user: claims.sub,
          email: connection.context === undefined ? undefined : contexts.find(connection.context)?.session?.email,
          organization: claims['org_id'],
          role: claims['role'],
          permissions: claims['permissions'],
          expiresAt: claims.exp === undefined ? undefined : new Date(claims.exp * 1000).toISOString(),
        };
        const left = claims.exp === undefined ? undefined : Math.floor(claims.exp - terminal.now().getTime() / 1000);
        printer.result(who, () =>
          properties({
            'Control plane': `${who.url} (${who.source}${who.context === undefined ? '' : ` ${who.context}`})`,
            User: [who.email, who.user].filter(Boolean).join(' '),
            Organization: who.organization,
            Role: who.role,
            Permissions: Array.isArray(who.permissions) ? who.permissions.join(', ') || 'none' : 'none',
            Token: left === undefined ? undefined : `${spanOf(left)} left${who.context === undefined ? '' : ', refreshed by itself'}`,
          }),
        );
      }),
    );
}
