import { pod } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string };
  };
}

/** Asks Kubernetes for the user of a projected token. Undefined for an invalid token or another audience. @throws KubeError */
export async function usernameOf(client: Pick<KubeClient, 'review'>, token: string): Promise<string | undefined> {
  const { status } = await client.review<TokenReview>(kinds.TokenReview, {
    metadata: {},
    spec: { token, audiences: [pod.tokenAudience] },
  });
  const isGood = status?.authenticated === true && status.audiences?.includes(pod.tokenAudience);
  return isGood ? status.user?.username : undefined;
}
