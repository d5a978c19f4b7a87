import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkOS } from '@workos-inc/node';
import { startWorkos, type WorkosOptions, type WorkosStandIn } from '../../../../local/workos/start.ts';

export interface TestEnvironment extends AsyncDisposable {
  readonly workos: WorkosStandIn;
  readonly sdk: WorkOS;
  readonly dir: string;
}

/** A stand-in in a folder of its own, and the real SDK with its key. */
export async function startEnvironment(options: Partial<WorkosOptions> = {}): Promise<TestEnvironment> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'workos-')));
  const workos = await startWorkos({ port: 0, ...options, dir });
  return {
    workos,
    sdk: connect(workos),
    dir,
    async [Symbol.asyncDispose]() {
      await workos.close();
      if (options.dir === undefined) await rm(dir, { recursive: true });
    },
  };
}

export function connect({ apiKey, clientId, port }: WorkosStandIn, key = apiKey): WorkOS {
  return new WorkOS(key, { clientId, apiHostname: 'localhost', https: false, port, maxRetries: 0 });
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}
