import type { Scene } from './scene.ts';

/** The links between a client and a tenant's data, in the order of a request. */
export const linkNames = [
  'tenant',
  'dns',
  'tcp',
  'tls',
  'route',
  'pod',
  'database',
  'metadata',
  'control plane',
  'token',
  'handshake',
] as const;
export type LinkName = (typeof linkNames)[number];

/** The result of checking one link. `seen` holds observations for people, one a line. */
export type Finding =
  | { readonly state: 'ok'; readonly seen: readonly string[] }
  | {
      readonly state: 'broken';
      /** The fault in one line. */
      readonly fault: string;
      /** How to fix the fault. */
      readonly remedy: string;
      /** Commands that apply the remedy or show more. Each can be pasted into a shell. */
      readonly commands: readonly string[];
      readonly seen: readonly string[];
    }
  | { readonly state: 'not checked'; readonly why: string; readonly seen: readonly string[] };

export interface Link {
  readonly name: LinkName;
  /** Links that must work before this one can be checked. */
  readonly needs: readonly LinkName[];
  /** @throws KubeError if the cluster cannot be read; the walk turns it into a finding. */
  check(scene: Scene, outside: 'reachable' | 'unreachable'): Promise<Finding>;
}

export const ok = (...seen: string[]): Finding => ({ state: 'ok', seen });
export const broken = (fault: string, remedy: string, seen: readonly string[] = [], commands: readonly string[] = []): Finding => ({
  state: 'broken',
  fault,
  remedy,
  commands,
  seen,
});
export const notChecked = (why: string, seen: readonly string[] = []): Finding => ({ state: 'not checked', why, seen });
