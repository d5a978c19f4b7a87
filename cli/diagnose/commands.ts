import { shellWord } from '../../control-plane/client/shell-word.ts';
import { namespaceOf } from '../../crds/names.ts';

/** A part of Tenantry that runs beside the tenants. */
export type Part = 'operator' | 'control-plane';

/** How this very installation is reached. */
export interface Reach {
  /** File that was named, or that of local mode; undefined where kubectl finds the same by itself. */
  readonly kubeconfig: string | undefined;
  /** Context that was asked for by `--context`. */
  readonly context: string | undefined;
  /** Namespace in which operator and control plane run; undefined where nobody tells. */
  readonly namespace: string | undefined;
  /** Folder of local mode's logs, where they are programs of this machine. */
  readonly logs: string | undefined;
}

/** Commands that look into what is broken, for this installation: each runs as it is pasted. */
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

  /** What a URL answers. */
  fetch(url: string): string {
    return line(['curl', '--fail', '--show-error', '--max-time', '10', url]);
  }

  /** Whether the parts of Tenantry run. */
  parts(): string {
    const { namespace, logs } = this.#reach;
    if (logs !== undefined) return line(['ls', '-l', logs]);
    const where = namespace === undefined ? ['--all-namespaces'] : ['--namespace', namespace];
    return this.kubectl('get', 'pods', ...where, '--selector', 'app.kubernetes.io/name=tenantry');
  }

  /** The end of a part's log; where nobody tells in which namespace it runs, what tells that. */
  log(part: Part): string {
    const { namespace, logs } = this.#reach;
    if (logs !== undefined) return line(['tail', '-n', '50', `${logs}/${part}.log`]);
    if (namespace === undefined) return this.parts();
    return this.kubectl('logs', '--namespace', namespace, '--selector', `app.kubernetes.io/component=${part}`, '--tail', '50');
  }

  /** The end of the log of a tenant's sidecar, `mcp`. */
  sidecarLog(tenant: string): string {
    const pods = ['--namespace', namespaceOf(tenant), '--selector', 'app.kubernetes.io/component=stack'];
    return this.kubectl('logs', ...pods, '--container', 'mcp', '--tail', '50');
  }
}

const line = (words: readonly string[]): string => words.map(shellWord).join(' ');
