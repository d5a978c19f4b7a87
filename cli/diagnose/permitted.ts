import { KubeError } from '../../kube/errors.ts';
import { type Finding, notChecked } from './link.ts';

/** What the cluster tells, or why it does not: a kubeconfig may have few rights, and an API server may go away. */
export async function asPermitted(look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return notChecked(error.status === 403 ? `the kubeconfig does not permit it: ${error.message}` : error.message);
  }
}
