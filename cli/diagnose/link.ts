import type { Scene } from './scene.ts';

/** The way from a client to a tenant's data, in the order in which a request takes it. */
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

/** What was found at one link. `seen` are lines for people. */
export type Finding =
  | { readonly state: 'ok'; readonly seen: readonly string[] }
  | {
      readonly state: 'broken';
      /** What is wrong, in one line. */
      readonly fault: string;
      /** What to do about it. */
      readonly remedy: string;
      /** Commands that do or show it, each as it can be pasted. */
      readonly commands: readonly string[];
      readonly seen: readonly string[];
    }
  | { readonly state: 'not checked'; readonly why: string; readonly seen: readonly string[] };

export interface Link {
  readonly name: LinkName;
  /** Links without which this one cannot be looked at. */
  readonly needs: readonly LinkName[];
  /** @throws KubeError where the cluster does not tell; the walk makes a finding of it. */
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
