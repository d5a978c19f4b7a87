import { type Command, Option } from 'commander';
import type { WorkosFinding, WorkosSetupOptions } from '../../control-plane/identity/workos-setup.ts';
import { Ended, Failure } from '../failure.ts';
import { table } from '../output/table.ts';
import { oneLine } from '../output/text.ts';
import type { Workplace } from '../workplace.ts';
import { action, examples, type WorkplaceOf } from './action.ts';
import { collect } from './tenants/options.ts';

interface Options {
  readonly clientId?: string;
  readonly oauthIssuer?: string;
  readonly redirectUri?: readonly string[];
  readonly webhookUrl?: string;
  readonly yes?: boolean;
}

const about = `
The API key is taken from WORKOS_API_KEY, or asked for on a terminal; it is sent to WORKOS_API_URL (https://api.workos.com) and nowhere else, and
never shown. Exit code: 0 everything is there, 9 something is missing or takes the dashboard.
`;

/** `tenantry workos ...`: the WorkOS environment of an installation. */
export function workosCommands(program: Command, workplaceOf: WorkplaceOf): void {
  const workos = program
    .command('workos')
    .description('The WorkOS environment: what Tenantry needs of it, what is there, and making the rest.');

  described(workos.command('check'))
    .description('Compare the environment with what Tenantry needs; changes nothing.')
    .addHelpText(
      'after',
      about +
        examples(
          'tenantry workos check',
          'tenantry workos check --client-id client_... --oauth-issuer https://example.authkit.app --webhook-url https://tenantry.example.com/webhooks/workos',
        ),
    )
    .action(
      action<Options, []>(workplaceOf, async (workplace, options) => {
        const found = await asked(async (setup) => await setup.module.checkWorkos(setup.options), workplace, options);
        workplace.printer.result(found, () => shown(found));
        if (found.some(isWanting)) throw new Ended('faultFound');
      }),
    );

  described(workos.command('setup'))
    .description('Make what is missing and can be made by the API; prints the steps for the rest. A second run finds nothing to do.')
    .option('-y, --yes', 'do not ask before changes are made')
    .addHelpText(
      'after',
      about +
        examples(
          'tenantry workos setup --redirect-uri https://console.example.com/callback',
          'WORKOS_API_KEY=$(cat key.txt) tenantry workos setup --yes --client-id client_... --oauth-issuer https://example.authkit.app',
        ),
    )
    .action(
      action<Options, []>(workplaceOf, async (workplace, options) => {
        const { printer, terminal } = workplace;
        const { findings, webhookSecret } = await asked(
          async (setup) => {
            if (options.yes !== true) await confirm(workplace, await setup.module.checkWorkos(setup.options));
            return setup.module.setupWorkos(setup.options);
          },
          workplace,
          options,
        );
        printer.result({ findings, ...(webhookSecret === undefined ? {} : { webhookSecret }) }, () => shown(findings));
        if (webhookSecret !== undefined && printer.format === 'table')
          terminal.out(
            `\nSecret of the webhook endpoint, shown this once, for the control plane:\nWORKOS_WEBHOOK_SECRET=${oneLine(webhookSecret)}\n`,
          );
        if (findings.some(isWanting)) throw new Ended('faultFound');
      }),
    );
}

function described(command: Command): Command {
  return command
    .addOption(
      new Option('--client-id <id>', 'client ID of the environment (client_...); the control plane tells it when left out').env(
        'WORKOS_CLIENT_ID',
      ),
    )
    .addOption(
      new Option('--oauth-issuer <url>', 'the AuthKit domain; the control plane tells it when left out').env('TENANTRY_OAUTH_ISSUER'),
    )
    .addOption(
      new Option('--redirect-uri <uri>', 'where sign-ins of your own applications lead back to; several times for several').argParser(
        collect,
      ),
    )
    .option('--webhook-url <url>', 'https://<control plane>/webhooks/workos; left out where WorkOS cannot reach it');
}

interface Setup {
  readonly module: typeof import('../../control-plane/identity/workos-setup.ts');
  readonly options: WorkosSetupOptions;
}

/** Runs `ask` with everything it needs, and tells a refusal of WorkOS from its absence. */
async function asked<T>(ask: (setup: Setup) => Promise<T>, workplace: Workplace, options: Options): Promise<T> {
  const { terminal } = workplace;
  const told = options.clientId === undefined || options.oauthIssuer === undefined ? await configOf(workplace) : {};
  const clientId = options.clientId ?? told.clientId;
  const oauthIssuer = options.oauthIssuer ?? told.authorizationServer;
  if (clientId === undefined || oauthIssuer === undefined)
    throw new Failure('usage', `${clientId === undefined ? 'The client ID' : 'The AuthKit domain'} is not known.`, {
      remedy: 'Say --client-id client_... and --oauth-issuer https://<name>.authkit.app; both stand in the WorkOS Dashboard.',
    });
  // Loaded here, because WorkOS's SDK takes a while and no other command needs it.
  const module = await import('../../control-plane/identity/workos-setup.ts');
  try {
    return await ask({
      module,
      options: {
        apiKey: await apiKey(workplace),
        clientId,
        // Never from the control plane: whoever it is, it must not decide where the key is sent.
        apiUrl: safeUrl(terminal.env['WORKOS_API_URL'] || 'https://api.workos.com', 'WORKOS_API_URL').origin,
        oauthIssuer: httpUrl(oauthIssuer, '--oauth-issuer').href.replace(/\/+$/, ''),
        redirectUris: options.redirectUri ?? [],
        webhookUrl: options.webhookUrl === undefined ? undefined : httpUrl(options.webhookUrl, '--webhook-url').href,
        signal: terminal.signal,
      },
    });
  } catch (error) {
    if (!(error instanceof module.ProviderUnavailable)) throw error;
    const refused = error.status === 401 || error.status === 403;
    throw new Failure(refused ? 'notAuthorized' : 'unavailable', error.message, {
      remedy: refused
        ? 'Take the API key from WorkOS Dashboard > API keys, of the environment that is meant.'
        : 'Look whether this machine may reach WorkOS, and try again.',
    });
  }
}

async function apiKey({ terminal }: Workplace): Promise<string> {
  const given =
    terminal.env['WORKOS_API_KEY']?.trim() ||
    (terminal.interactive ? (await terminal.ask('API key of the WorkOS environment (not shown): ', { secret: true })).trim() : '');
  if (given !== '') return given;
  throw new Failure('usage', 'There is no API key of WorkOS.', { remedy: 'Set WORKOS_API_KEY, from WorkOS Dashboard > API keys.' });
}

interface Told {
  readonly clientId?: string;
  readonly authorizationServer?: string;
}

/** What the control plane says, where one is configured and answers. */
async function configOf(workplace: Workplace): Promise<Told> {
  const connection = workplace.connection();
  if (connection === undefined) return {};
  const { signal } = workplace.terminal;
  try {
    const response = await fetch(`${connection.url}/v1/auth/config`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    return response.ok ? ((await response.json()) as Told) : {};
  } catch {
    signal.throwIfAborted();
    return {};
  }
}

async function confirm({ terminal, printer }: Workplace, found: readonly WorkosFinding[]): Promise<void> {
  const missing = found.filter(({ state }) => state === 'missing' || state === 'unknown');
  if (missing.length === 0) return;
  printer.note(`To be made at WorkOS: ${missing.map(({ item }) => oneLine(item)).join(', ')}`);
  if (!terminal.interactive) throw new Failure('usage', 'Nobody is there to say yes.', { remedy: 'Say --yes to make these changes.' });
  if (!/^y(es)?$/i.test((await terminal.ask('Make these changes? [y/N] ')).trim())) throw new Failure('usage', 'Nothing was changed.');
}

const isWanting = ({ state }: WorkosFinding): boolean => state === 'missing' || state === 'manual';

function shown(found: readonly WorkosFinding[]): string {
  const steps = found.filter((finding) => isWanting(finding) && finding.remedy !== undefined);
  const remedies = [...new Map(steps.map(({ item, remedy }) => [remedy, item]))].map(
    ([remedy, item]) => `  ${oneLine(item)}: ${oneLine(remedy)}\n`,
  );
  return (
    table(found, { ITEM: ({ item }) => item, STATE: ({ state }) => state, DETAIL: ({ detail }) => detail }) +
    (remedies.length === 0 ? '\nNothing is missing.\n' : `\nWhat to do:\n${remedies.join('')}`)
  );
}

/** A URL that a key may be sent to: over TLS, or within this machine. */
function safeUrl(text: string, where: string): URL {
  const url = httpUrl(text, where);
  if (url.protocol === 'https:' || /^(localhost|127\..*|\[::1\])$/.test(url.hostname)) return url;
  throw new Failure('usage', `${where} must be https: a key is sent there.`);
}

function httpUrl(text: string, where: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new Failure('usage', `${where} must be an http or https URL.`);
}
