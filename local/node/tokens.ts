import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';
import type { Pod } from './pod.ts';
import type { Token } from './volumes.ts';

/**
 * Requests a token of the pod's ServiceAccount from the TokenRequest API. It is invalid once the pod is gone:
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
 * @throws KubeError
 */
export async function requestToken(
  client: KubeClient,
  pod: Pod,
  audience: string | undefined,
  expirationSeconds: number,
  signal: AbortSignal,
): Promise<Token> {
  const { name, namespace, uid } = pod.metadata;
  const issuedAt = Date.now();
  const answer = await client.post<{ status: { token: string; expirationTimestamp: string } }>(
    kinds.ServiceAccount,
    pod.spec.serviceAccountName ?? 'default',
    'token',
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        ...(audience === undefined ? {} : { audiences: [audience] }),
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    },
    { namespace, signal },
  );
  return { token: answer.status.token, issuedAt, expiresAt: Date.parse(answer.status.expirationTimestamp) };
}
