import { findClusterBinaries } from '../../local/kubernetes/binaries.ts';
import { Kubectl } from './cluster/kubectl.ts';

/** What somebody who sees only the output of a failed run would ask first. */
const questions = [
  ['get', 'tenants', '-o', 'wide'],
  ['get', 'pods', '--all-namespaces', '-o', 'wide'],
  ['get', 'events', '--all-namespaces', '--field-selector', 'type=Warning', '--sort-by', '.lastTimestamp'],
  [
    'logs',
    '--namespace',
    'tenantry-system',
    '--selector',
    'app.kubernetes.io/part-of=tenantry',
    '--all-containers',
    '--prefix',
    '--tail',
    '20',
  ],
];
const maxLines = 60;

/** Describes the state of the cluster after a failure, as far as it still answers. */
export async function failureReport(kubeconfig: string): Promise<string> {
  const kubectl = new Kubectl(findClusterBinaries().kubectl, kubeconfig);
  const answers = await Promise.all(
    questions.map(async (question) => {
      const answer = await kubectl.run(['--request-timeout=10s', ...question]).catch((error: Error) => error.message);
      return `== kubectl ${question.join(' ')}\n${answer.trimEnd().split('\n').slice(-maxLines).join('\n')}`;
    }),
  );
  return `${answers.join('\n')}\n`;
}
