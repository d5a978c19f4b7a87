import type { ClusterAccess } from './access.ts';
import type { StartProgram } from './program.ts';

/** Binds pods to the node. */
export async function startScheduler(start: StartProgram, options: { program: string; access: ClusterAccess }): Promise<void> {
  const kubeconfig = await options.access.kubeconfig('scheduler', 'system:kube-scheduler');
  await start('kube-scheduler', options.program, [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0']);
}
