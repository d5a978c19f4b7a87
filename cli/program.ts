import { createRequire } from 'node:module';
import { Command, CommanderError, Option } from 'commander';
import { auditCommands } from './commands/audit/audit.ts';
import { contextCommand } from './commands/contexts.ts';
import { diagnoseCommand } from './commands/diagnose.ts';
import { domainCommands } from './commands/domains.ts';
import { keyCommands } from './commands/keys.ts';
import { serviceCommands } from './commands/services.ts';
import { sessionCommands } from './commands/session.ts';
import { templateCommands } from './commands/templates.ts';
import { tenantCommands } from './commands/tenants/tenants.ts';
import { workosCommands } from './commands/workos.ts';
import type { Outcome } from './exit-codes.ts';
import { Ended, Failure } from './failure.ts';
import { Invocation } from './invocation.ts';
import { explain } from './output/explain.ts';
import { formats } from './output/printer.ts';
import type { Terminal } from './terminal.ts';

const { version: packageVersion } = createRequire(import.meta.url)('../package.json') as { version: string };

const epilogue = `
Environment:
  TENANTRY_URL, TENANTRY_TOKEN  control plane and token to use, for CI; they go before contexts
  KUBECONFIG                    cluster that diagnose looks into
  XDG_CONFIG_HOME               contexts are kept in tenantry/config.json below it (~/.config)
  NO_COLOR                      no colours
  TENANTRY_DEBUG                1 tells where an error happened that nobody expected

Exit codes:
  0 done  1 failed  2 wrong usage  3 not found  4 not signed in or not permitted  5 conflict  6 unavailable, try again
  7 what was sent is not valid  8 did not happen in time  9 checked, and a fault was found  130 Ctrl-C

Without a context the local mode's control plane is used, in the folder of a running \`npm start\` or below it.`;

const commands = [
  tenantCommands,
  serviceCommands,
  domainCommands,
  keyCommands,
  templateCommands,
  diagnoseCommand,
  auditCommands,
  workosCommands,
  sessionCommands,
  contextCommand,
];

/** Builds the command line. Help and version go to standard output, errors to standard error. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('tenantry')
    .description('Tenants of a Tenantry installation: make them, look after them, find out what is wrong with one.')
    .version(packageVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'help for a command')
    .addOption(new Option('-o, --output <format>', 'how results are written').choices(formats).default('table'))
    .addOption(new Option('--context <name>', 'context to use instead of the current one'))
    .addHelpText('after', epilogue);
  const invocation = (command: Command): Invocation => new Invocation(terminal, command.optsWithGlobals());
  for (const add of commands) add(program, invocation);
  return settle(program, terminal);
}

/** Runs one command line and resolves with its outcome. Never rejects. */
export async function run(terminal: Terminal, args: readonly string[]): Promise<Outcome> {
  try {
    await createProgram(terminal).parseAsync(args, { from: 'user' });
    return terminal.signal.aborted ? 'interrupted' : 'ok';
  } catch (error) {
    if (terminal.signal.aborted) return 'interrupted';
    if (error instanceof CommanderError) return error.exitCode === 0 ? 'ok' : 'usage';
    if (error instanceof Ended) return error.outcome;
    explain(terminal, error);
    return error instanceof Failure ? error.outcome : 'failed';
  }
}

/** Makes every command throw instead of ending the process, and write to the terminal. */
function settle(command: Command, terminal: Terminal): Command {
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError(`Help: tenantry ${pathOf(command)}--help`)
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.err,
      getOutHasColors: () => terminal.colours.out,
      getErrHasColors: () => terminal.colours.err,
    });
  for (const child of command.commands) settle(child, terminal);
  return command;
}

function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)}${command.name()} `;
}
