import { shellWord } from '../../control-plane/client/shell-word.ts';
import { namespaceOf } from '../../crds/names.ts';

/** A component of Tenantry itself. */
export type Part = 'operator' | 'control-plane';

/** How commands reach this installation. */
export interface Reach {
  /** Kubeconfig from `--kubeconfig` or local mode; undefined if kubectl finds the same file by default. */
  readonly kubeconfig: string | undefined;
  /** Value of `--context`. */
  readonly context: string | undefined;
  /** Namespace of the operator and control plane; undefined if unknown. */
  readonly namespace: string | undefined;
  /** Log folder of local mode, where the components are programs on this machine; else undefined. */
  readonly logs: string | undefined;
}

/** Commands that investigate a fault of this installation. Each can be pasted into a shell. */
export class Commands {
  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  kubectl(...args: string[]): string {
    const { kubeconfig } = this.#reach;
    return line(['kubectl', ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]), ...args]);
  }

  tenantry(...args: string[]): string {
    const { context } = this.#reach;
    return line(['tenantry', ...(context === undefined ? [] : ['--context', context]), ...args]);
  }

  /** Shows the answer of a URL. */
  fetch(url: string): string {
    return line(['curl', '--fail', '--show-error', '--max-time', '10', url]);
  }

  /** Shows whether the components run. */
  parts(): string {
    const { namespace, logs } = this.#reach;
    if (logs !== undefined) return line(['ls', '-l', logs]);
    const where = namespace === undefined ? ['--all-namespaces'] : ['--namespace', namespace];
    return this.kubectl('get', 'pods', ...where, '--selector', 'app.kubernetes.io/name=tenantry');
  }

  /** Shows the last lines of a component's log. If its namespace is unknown, the command lists the pods of Tenantry in all namespaces. */
  log(part: Part): string {
    const { namespace, logs } = this.#reach;
    if (logs !== undefined) return line(['tail', '-n', '50', `${logs}/${part}.log`]);
    if (namespace === undefined) return this.parts();
    return this.kubectl('logs', '--namespace', namespace, '--selector', `app.kubernetes.io/component=${part}`, '--tail', '50');
  }

  /** Shows the last lines of the log of a tenant's sidecar, `mcp`. */
  sidecarLog(tenant: string): string {
    const pods = ['--namespace', namespaceOf(tenant), '--selector', 'app.kubernetes.io/component=stack'];
    return this.kubectl('logs', ...pods, '--container', 'mcp', '--tail', '50');
  }
}

const line = (words: readonly string[]): string => words.map(shellWord).join(' ');
