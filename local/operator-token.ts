import { setTimeout as delay } from 'node:timers/promises';
import { pod } from '../crds/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { kinds } from '../kube/resources.ts';
import { writePrivate } from './machine/files.ts';
import type { Log } from './machine/process.ts';

const lifetimeSeconds = 3600;

export interface OperatorTokenOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly account: string;
  readonly file: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Keeps a ServiceAccount token of the operator in a file for the control plane, as the kubelet does. Resolves when the file is written. */
export async function keepOperatorToken(options: OperatorTokenOptions): Promise<void> {
  const { log, signal } = options;
  await write(options);
  void (async () => {
    while (!signal.aborted) {
      await delay((lifetimeSeconds * 1000) / 2, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await write(options).catch((err: unknown) => log.warn({ err }, 'token of the operator not renewed'));
    }
  })();
}

async function write({ client, namespace, account, file }: OperatorTokenOptions): Promise<void> {
  const { status } = await client.post<{ status: { token: string } }>(
    kinds.ServiceAccount,
    account,
    'token',
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [pod.tokenAudience], expirationSeconds: lifetimeSeconds },
    },
    { namespace },
  );
  writePrivate(file, status.token);
}
