import { type Command, Option } from 'commander';
import type { WorkosFinding } from '../../control-plane/workos-setup/setup.ts';
import { Ended, Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import { table } from '../output/table.ts';
import { oneLine } from '../output/text.ts';
import { asked, type EnvironmentOptions } from '../workos/setup.ts';
import { action, examples, type InvocationOf } from './action.ts';
import { collect } from './tenants/options.ts';

interface Options extends EnvironmentOptions {
  readonly yes?: boolean;
}

const about = `
The API key is taken from WORKOS_API_KEY, or asked for on a terminal; it is sent to WORKOS_API_URL (https://api.workos.com) and nowhere else, and
never shown. Exit code: 0 everything is there, 9 something is missing or takes the dashboard.
`;

/** `tenantry workos ...`: the WorkOS environment of an installation. */
export function workosCommands(program: Command, invocationOf: InvocationOf): void {
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
      action<Options, []>(invocationOf, async (invocation, options) => {
        const found = await asked(async (setup) => await setup.module.checkWorkos(setup.options), invocation, options);
        invocation.printer.result(found, () => shown(found));
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
      action<Options, []>(invocationOf, async (invocation, options) => {
        const { printer, terminal } = invocation;
        const { findings, webhookSecret } = await asked(
          async (setup) => {
            if (options.yes !== true) await confirm(invocation, await setup.module.checkWorkos(setup.options));
            return setup.module.setupWorkos(setup.options);
          },
          invocation,
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

async function confirm({ terminal, printer }: Invocation, found: readonly WorkosFinding[]): Promise<void> {
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
