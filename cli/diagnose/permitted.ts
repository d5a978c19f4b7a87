import { KubeError } from '../../kube/errors.ts';
import { type Finding, notChecked } from './link.ts';

/** Turns a KubeError into a finding. A kubeconfig may lack permissions, and an API server may become unavailable. */
export async function asPermitted(look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return notChecked(error.status === 403 ? `the kubeconfig does not permit it: ${error.message}` : error.message);
  }
}
