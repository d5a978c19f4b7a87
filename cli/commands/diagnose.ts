import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Step, Walk } from '../diagnose/walk.ts';
import { Ended, Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import type { Printer } from '../output/printer.ts';
import { oneLine } from '../output/text.ts';
import { action, type InvocationOf } from './action.ts';

interface Options {
  readonly kubeconfig?: string;
  readonly cluster: boolean;
  readonly domain?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly address?: string;
  readonly bundle?: string;
}

const help = `
Looks at each link between a client and the tenant, in this order, and names the first that is broken and what to do about it:
  tenant, dns, tcp, tls, route, pod, database, metadata, control plane, token, handshake

It takes what it can get: a kubeconfig, the control plane, or the URL alone. What it cannot see it calls "not checked".
Exit code: 0 nothing broken, 9 a link is broken, 3 there is no such tenant.

Examples:
  tenantry diagnose acme
  tenantry diagnose acme --bundle acme.tar.gz              # a file for whoever helps you: look into it before you send it
  tenantry diagnose acme --no-cluster                      # only from outside, as a client sees it
  tenantry diagnose https://mcp.example.com/t/acme/mcp     # without control plane and without kubeconfig
  TENANTRY_TENANT_TOKEN=... tenantry diagnose acme         # what is wrong with this token or API key?
  tenantry diagnose acme --output json | jq .firstBroken`;

/** `tenantry diagnose` */
export function diagnoseCommand(program: Command, invocationOf: InvocationOf): void {
  program
    .command('diagnose')
    .argument('<tenant>', 'name of a tenant, or URL of its MCP endpoint')
    .description('Find the first broken link between a client and a tenant.')
    .option('--kubeconfig <file>', 'cluster to look into (KUBECONFIG, ~/.kube/config, or that of local mode)')
    .option('--no-cluster', 'look only from outside')
    .option('--domain <host>', 'look at this custom domain of the tenant')
    .option('--token-file <file>', 'token or API key of a client of the tenant, to be looked at; - reads standard input')
    .option('--ca <file>', 'PEM certificates to trust besides those of the system')
    .option('--address <host:port>', 'where to connect instead of the URL’s host, as for a gateway that DNS does not lead to yet')
    .option('--bundle <file>', 'also write what was seen into this .tar.gz: objects, events and logs, without secrets that are found')
    .addHelpText('after', help)
    .action(
      action<Options, [string]>(invocationOf, async (invocation, options, what) => {
        const { terminal, printer } = invocation;
        const token = await clientToken(invocation, options.tokenFile);
        // The Kubernetes and MCP clients take most of a second to load. Other commands do not need them.
        const { prepare, Redactor, secretsOf, walk, writeBundle } = await import('../diagnose/diagnose.ts');
        const scene = await prepare(invocation, {
          what,
          domain: options.domain,
          kubeconfig: options.kubeconfig,
          useCluster: options.cluster,
          dialOptions: { caFile: options.ca === undefined ? undefined : readable(options.ca), address: addressOf(options.address) },
          token,
        });
        try {
          const redactor = new Redactor([...(token === undefined ? [] : [token]), ...ownSecrets(invocation)]);
          if (scene.cluster !== undefined && scene.tenant !== undefined) redactor.add(await secretsOf(scene.cluster, scene.tenant.name));
          const asTable = printer.format === 'table';
          if (asTable) terminal.out(`${oneLine([scene.tenant?.name, scene.url].filter(Boolean).join('  '))}\n\n`);
          const found = await walk(scene, redactor, (step) => asTable && terminal.out(linesOf(step, printer)));
          printer.result(found, () => verdict(found, printer));
          if (options.bundle !== undefined) {
            await writeBundle(options.bundle, scene, found, redactor);
            printer.note(`Written: ${options.bundle}. Secrets are taken out; look into it before you send it on all the same.`);
          }
          if (found.firstBroken !== undefined) throw new Ended('faultFound');
        } finally {
          await scene.cluster?.close();
        }
      }),
    );
}

const width = 15;

function linesOf(step: Step, printer: Printer): string {
  const mark = {
    ok: printer.paint('green', 'ok        '),
    broken: printer.paint('red', 'BROKEN    '),
    'not checked': printer.paint('dim', '-         '),
  }[step.state];
  const [head, ...rest] =
    step.state === 'ok' ? step.seen : step.state === 'broken' ? [step.fault, ...step.seen] : [`not checked: ${step.why}`, ...step.seen];
  const first = `${step.name.padEnd(width)}${mark}${oneLine(head)}\n`;
  return first + rest.map((line) => `${' '.repeat(width + 10)}${printer.paint('dim', oneLine(line))}\n`).join('');
}

function verdict({ firstBroken, steps }: Walk, printer: Printer): string {
  if (firstBroken !== undefined) {
    const name = printer.paint('bold', firstBroken.name);
    const commands = firstBroken.commands.map((command) => `    ${oneLine(command)}\n`);
    return `\nFirst broken link: ${name}: ${oneLine(firstBroken.fault)}\nWhat to do: ${oneLine(firstBroken.remedy)}\n${commands.join('')}`;
  }
  const unseen = steps.filter(({ state }) => state === 'not checked').map(({ name }) => name);
  return `\nNothing is broken${unseen.length === 0 ? '.' : `, as far as could be seen; not checked: ${unseen.join(', ')}.`}\n`;
}

async function clientToken({ terminal }: Invocation, file: string | undefined): Promise<string | undefined> {
  const text =
    file === undefined
      ? terminal.env['TENANTRY_TENANT_TOKEN']
      : file === '-'
        ? await terminal.input()
        : readFileSync(readable(file), 'utf8');
  return text?.trim() || undefined;
}

function readable(file: string): string {
  try {
    readFileSync(file);
    return file;
  } catch (error) {
    throw new Failure('usage', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function addressOf(text: string | undefined): { host: string; port: number } | undefined {
  if (text === undefined) return undefined;
  const match = /^(\[[0-9a-f:.]+\]|[^\s:/]+):(\d{1,5})$/i.exec(text);
  if (match?.[1] === undefined) throw new Failure('usage', '--address must be host:port, such as 203.0.113.7:443.');
  return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

/** Secrets of this process that the output must not contain. */
function ownSecrets(invocation: Invocation): string[] {
  const sessions = Object.values(invocation.contexts.all()).flatMap(({ session }) =>
    session === undefined ? [] : [session.accessToken, session.refreshToken],
  );
  return [...sessions, invocation.terminal.env['TENANTRY_TOKEN'], invocation.localMode().found?.adminToken].filter(
    (secret) => secret !== undefined,
  );
}
