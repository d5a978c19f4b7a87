import { z } from 'zod';
import type { ObjectMeta } from '../../crds/schema.ts';
import type { KubeObject } from '../../kube/resources.ts';

/**
 * The pods that the node agent runs: those that operator/render writes, with the defaults of the API server. Every other field would change
 * how a program runs, so a pod that has one is refused instead of run differently. Fields that only matter to containers are ignored.
 * https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 */

const probe = z
  .strictObject({
    httpGet: z.strictObject({ path: z.string().optional(), port: z.int(), scheme: z.literal('HTTP').optional() }),
    initialDelaySeconds: z.number().optional(),
    timeoutSeconds: z.number().optional(),
    periodSeconds: z.number().optional(),
    successThreshold: z.literal(1).optional(),
    failureThreshold: z.number().optional(),
  })
  .readonly();

const variable = z
  .strictObject({
    name: z.string(),
    value: z.string().optional(),
    valueFrom: z
      .strictObject({
        fieldRef: z.strictObject({ fieldPath: z.literal('status.podIP'), apiVersion: z.string().optional() }).optional(),
        secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }).optional(),
      })
      .optional(),
  })
  .readonly();

const amounts = z.record(z.string(), z.string()).readonly().optional();

const container = z.strictObject({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()).readonly().optional(),
  args: z.array(z.string()).readonly().optional(),
  env: z.array(variable).readonly().optional(),
  ports: z
    .array(z.looseObject({ name: z.string().optional(), containerPort: z.int() }).readonly())
    .readonly()
    .optional(),
  resources: z.looseObject({ requests: amounts, limits: amounts }).readonly().optional(),
  volumeMounts: z
    .array(z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }).readonly())
    .readonly()
    .optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  lifecycle: z
    .strictObject({ preStop: z.strictObject({ sleep: z.strictObject({ seconds: z.number() }) }) })
    .readonly()
    .optional(),
  terminationMessagePolicy: z.literal('File').optional(),
  imagePullPolicy: z.unknown().optional(),
  securityContext: z.unknown().optional(),
  terminationMessagePath: z.unknown().optional(),
});

const volume = z
  .strictObject({
    name: z.string(),
    emptyDir: z.looseObject({}).optional(),
    secret: z
      .strictObject({
        secretName: z.string(),
        items: z
          .array(z.strictObject({ key: z.string(), path: z.string().regex(/^[^/]+$/, 'must not be in a folder') }).readonly())
          .readonly()
          .optional(),
        defaultMode: z.unknown().optional(),
      })
      .optional(),
    projected: z
      .strictObject({
        sources: z
          .array(
            z.strictObject({
              serviceAccountToken: z
                .strictObject({
                  path: z.string().regex(/^[^/]+$/, 'must not be in a folder'),
                  audience: z.string().optional(),
                  expirationSeconds: z.number().optional(),
                })
                .readonly(),
            }),
          )
          .readonly(),
        defaultMode: z.unknown().optional(),
      })
      .optional(),
  })
  .readonly();

const podSpec = z.looseObject({
  nodeName: z.string().optional(),
  serviceAccountName: z.string().optional(),
  restartPolicy: z.enum(['Always', 'Never']).optional(),
  terminationGracePeriodSeconds: z.number().optional(),
  initContainers: z
    .array(
      container
        .extend({ restartPolicy: z.literal('Always', 'must be Always: the local cluster runs no other init containers than sidecars') })
        .readonly(),
    )
    .readonly()
    .optional(),
  containers: z.array(container.readonly()).readonly(),
  volumes: z.array(volume).readonly().optional(),
  activeDeadlineSeconds: z.undefined({ error: 'is not supported' }).optional(),
  nodeSelector: z.undefined({ error: 'is not supported' }).optional(),
});

export type PodSpec = Readonly<z.infer<typeof podSpec>>;
export type Container = Readonly<z.infer<typeof container>>;
export type Volume = z.infer<typeof volume>;
export type Probe = z.infer<typeof probe>;
export type RestartPolicy = NonNullable<PodSpec['restartPolicy']>;

export interface Pod extends KubeObject {
  readonly metadata: ObjectMeta & { readonly deletionGracePeriodSeconds?: number };
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

/** Returns the first field of a pod that the node agent does not support, and why. Undefined when it supports all. */
export function unsupportedField({ spec }: { readonly spec: unknown }): string | undefined {
  const issue = podSpec.safeParse(spec).error?.issues[0];
  if (issue === undefined) return undefined;
  const at = (...more: PropertyKey[]): string => z.core.toDotPath(['spec', ...issue.path, ...more]);
  return issue.code === 'unrecognized_keys' ? `${at(issue.keys[0] ?? '')} is not supported` : `${at()} ${issue.message}`;
}

export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: Terminated;
}

export interface Terminated {
  readonly exitCode: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly containerID?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly ready: boolean;
  readonly started: boolean;
  readonly restartCount: number;
}

export interface PodCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string | null;
  readonly message?: string | null;
  readonly lastTransitionTime?: string | null;
  readonly observedGeneration?: number;
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly reason?: string | null;
  readonly message?: string | null;
  readonly hostIP?: string;
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime?: string;
  readonly conditions?: readonly PodCondition[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
}

/** All containers, in the order in which they start. */
export function containersOf({ spec }: Pod): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
