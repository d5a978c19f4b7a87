import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

export const chart = join(import.meta.dirname, '../../charts/tenantry');
export const systemNamespace = 'tenantry-system';

/** Sets of values that come with the chart as examples. */
export const examples = readdirSync(join(chart, 'ci')).map((file) => join(chart, 'ci', file));

/** An object as the chart renders it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program that is in PATH: helm or kubectl, the real ones. */
export async function run(program: 'helm' | 'kubectl', args: readonly string[], input = ''): Promise<Answer> {
  const running = promisify(execFile)(program, args, { maxBuffer: 64 << 20 });
  running.child.stdin?.end(input);
  try {
    const { stdout, stderr } = await running;
    return { code: 0, output: stdout, errors: stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '', message } = error as Error & { code?: unknown; stdout?: string; stderr?: string };
    // A program that did not even start has no exit code.
    if (typeof code !== 'number') throw new Error(`${program} is not there: ${message}`);
    return { code, output: stdout, errors: stderr };
  }
}

/** What would be installed, hooks included, for an API server that has the kinds of monitoring. */
export async function render(args: readonly string[], namespace = systemNamespace): Promise<Manifest[]> {
  const { code, output, errors } = await run('helm', ['template', 'tenantry', chart, '--namespace', namespace, ...args]);
  if (code !== 0) throw new Error(errors);
  return parseAllDocuments(output).flatMap((document) => (document.toJSON() as Manifest | null) ?? []);
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly containers: readonly { readonly name: string; readonly image: string; readonly env?: readonly Variable[] }[];
  readonly [field: string]: unknown;
}

/** The pods of the release: those of its Deployments, and those that are hooks. */
export function podsOf(manifests: readonly Manifest[]): { readonly name: string; readonly spec: PodSpec }[] {
  return manifests.flatMap((manifest) => {
    const { name, annotations } = manifest.metadata;
    if (manifest.kind === 'Pod') return [{ name: `${name} ${annotations?.['helm.sh/hook']}`, spec: manifest['spec'] as PodSpec }];
    if (manifest.kind !== 'Deployment') return [];
    return [{ name, spec: (manifest['spec'] as { template: { spec: PodSpec } }).template.spec }];
  });
}
