/**
 * Entry point of the image that tenants run: `mcp` is the MCP sidecar, `<stack> <program>` a program of a stack,
 * such as `toolbridge api` or `toolbridge migrate`.
 */
import { extname } from 'node:path';
import { ConfigurationError } from './runtime/environment.ts';

/** A program runs until its work is done or it is asked to stop. An error it throws ends the process with status 1. */
export type Program = (environment: NodeJS.ProcessEnv) => Promise<void>;

// The image holds plain JavaScript, a checkout TypeScript.
const extension = extname(import.meta.url);

async function programOf(args: readonly string[]): Promise<Program> {
  const [stack, name, ...rest] = args;
  if (stack === 'mcp' && name === undefined) return (await import('./sidecar/program.ts')).mcp;
  if (stack === undefined || name === undefined || rest.length > 0 || !/^[a-z][a-z0-9-]*$/.test(stack)) {
    throw new ConfigurationError('usage: main mcp | main <stack> <program>, for example: main toolbridge api');
  }
  const module = new URL(`./${stack}/program${extension}`, import.meta.url).href;
  const programs = await import(module).then(
    // Folders that stacks share have no list of programs.
    (loaded: { programs?: Readonly<Record<string, Program>> }) => loaded.programs,
    (error: NodeJS.ErrnoException & { url?: string }) => {
      if (error.code === 'ERR_MODULE_NOT_FOUND' && error.url === module) return undefined;
      throw error;
    },
  );
  if (programs === undefined) throw new ConfigurationError(`there is no stack named "${stack}"`);
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (program === undefined) {
    throw new ConfigurationError(`stack "${stack}" has no program "${name}"; it has: ${Object.keys(programs).join(', ')}`);
  }
  return program;
}

try {
  await (await programOf(process.argv.slice(2)))(process.env);
} catch (error) {
  // The stack of a configuration error says nothing, and an unexpected error's fields may hold what must not be printed.
  process.stderr.write(`${error instanceof ConfigurationError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}
