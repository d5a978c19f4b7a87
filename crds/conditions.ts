/**
 * Condition types and reasons of a Tenant. Both are API: scripts and alerts match on them, so reasons are added and never renamed.
 * Meaning of status, observedGeneration and lastTransitionTime:
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
 */

/** A reason that passes without a person. `status` is the status of the condition with this reason. */
interface PassingReason {
  readonly status: 'True' | 'False';
  readonly description: string;
  /** Instructions for the case that the reason does not pass. */
  readonly remedy?: string;
}

/**
 * A reason that only a person can end. Its own condition is False, and Stalled is True with the same reason. Stalled follows at once, or
 * after a while if the reason may also pass by itself.
 */
interface StallingReason {
  readonly stalls: 'at once' | 'after a while';
  readonly description: string;
  readonly remedy: string;
}

export interface ConditionDefinition {
  readonly description: string;
  readonly reasons: Readonly<Record<string, PassingReason | StallingReason>>;
}

/** Every condition with its reasons. Each reason is defined only here. A reason that stalls belongs to exactly one condition. */
export const conditions = {
  TemplateResolved: {
    description: 'The template exists and the tenant fits it.',
    reasons: {
      Resolved: { status: 'True', description: 'The operator uses the template.' },
      TemplateNotFound: {
        stalls: 'at once',
        description: 'The StackTemplate that the tenant names does not exist.',
        remedy: 'Apply the StackTemplate, or name another one in spec.template.name.',
      },
      RevisionNotFound: {
        stalls: 'at once',
        description: 'The StackTemplate has no revision of that name.',
        remedy: 'Name a revision that exists in spec.template.revision, or leave it out to use the newest.',
      },
      TemplateInvalid: {
        stalls: 'at once',
        description: 'The operator does not accept the contents of the template.',
        remedy: 'Correct the StackTemplate; the message names each fault.',
      },
      ParametersInvalid: {
        stalls: 'at once',
        description: 'The parameters or services of the tenant do not fit the template.',
        remedy: 'Correct spec.parameters or spec.services of the Tenant; the message names each fault.',
      },
      ContainersInvalid: {
        stalls: 'at once',
        description: 'The settings of containers in the tenant do not fit the template.',
        remedy: 'Correct spec.containers of the Tenant; the message names each fault.',
      },
    },
  },
  SecretsReady: {
    description: 'The generated secrets exist in the namespace of the tenant, and the file of API keys in its pods is current.',
    reasons: {
      Generated: { status: 'True', description: 'All secrets exist.' },
      Pending: { status: 'False', description: 'The operator has not generated the secrets yet.' },
      KeysNotWritten: {
        status: 'False',
        description: 'The file of API keys could not be written, so revoked keys may still work.',
        remedy: 'Correct the refusal of the Kubernetes API that the message quotes. The operator tries again by itself.',
      },
      TooManyKeys: {
        status: 'False',
        description: 'The file of API keys is full, so the newest keys do not work.',
        remedy: 'Revoke unused API keys.',
      },
    },
  },
  DatabaseReady: {
    description: 'Database, roles and password exist and the migration has run.',
    reasons: {
      Ready: { status: 'True', description: 'The database exists and is migrated.' },
      NotRequired: { status: 'True', description: 'The tenant has no database.' },
      Provisioning: {
        status: 'False',
        description: 'The operator is creating the database.',
        remedy: 'If it stays so, read the log of the operator.',
      },
      Migrating: {
        status: 'False',
        description: 'The migration is running.',
        remedy: 'If it stays so, read the log and the events of the migration.',
      },
      MigrationFailed: {
        stalls: 'at once',
        description: 'The migration ended with an error.',
        remedy: 'Read the log of the migration and correct the template, or delete the Job to try again.',
      },
      ServerUnavailable: {
        status: 'False',
        description: 'The PostgreSQL server did not create the database; the operator tries again.',
        remedy: 'Check that PostgreSQL runs and that the operator can reach it; the log of the operator has the error.',
      },
      NoServer: {
        stalls: 'at once',
        description: 'The template needs a database, but the operator has no PostgreSQL server.',
        remedy:
          'Configure a PostgreSQL server for the operator (database in the Helm values), or set spec.database.mode of the Tenant to none.',
      },
    },
  },
  WorkloadAvailable: {
    description: 'A pod of the tenant serves.',
    reasons: {
      Available: { status: 'True', description: 'A pod serves.' },
      Pending: { status: 'False', description: 'The pods are not started yet.' },
      Progressing: {
        status: 'False',
        description: 'The pods are starting.',
        remedy: 'If it stays so, read the log and the events of the pods.',
      },
      ImagePullFailed: {
        stalls: 'after a while',
        description: 'The image of a container cannot be pulled.',
        remedy: 'Correct the image in the template, or give the cluster access to the registry.',
      },
      ContainerRefused: {
        stalls: 'after a while',
        description: 'The node cannot create a container.',
        remedy: 'Correct the template; a Secret or ConfigMap that it names may be missing.',
      },
      CrashLoop: {
        stalls: 'at once',
        description: 'A container keeps ending.',
        remedy: 'Read the log of the container and correct the template or the parameters of the tenant.',
      },
      ProgramMissing: {
        stalls: 'at once',
        description: 'The image of a container does not have its program, or the program may not be executed.',
        remedy: "Correct the container's command in the template, or its image.",
      },
      DocumentUnusable: {
        stalls: 'after a while',
        description: 'The API serves no OpenAPI document that the sidecar can use.',
        remedy: "Serve an OpenAPI 3 document there without a login, or correct the template's spec.openapi.path.",
      },
      ApiNotListening: {
        stalls: 'after a while',
        description: 'Nothing listens on the port of the API.',
        remedy: 'Let the API listen on the port and address that the variables PORT and HOST name, not on 127.0.0.1.',
      },
      ApiNotReady: {
        stalls: 'after a while',
        description: 'The API listens but says that it is not ready.',
        remedy: "Correct the cause that the log of the API names, or correct the container's readyPath in the template.",
      },
      Unschedulable: {
        stalls: 'after a while',
        description: 'No node has room for the pod.',
        remedy: 'Give the cluster more room, or lower the requests of the tenant in spec.containers.',
      },
      PodsRefused: {
        stalls: 'after a while',
        description: 'The Kubernetes API refuses the pods, for example because of a quota or Pod Security.',
        remedy: 'Correct the refusal that the message quotes.',
      },
      ProgressDeadlineExceeded: {
        stalls: 'at once',
        description: 'The new pods did not become ready in time.',
        remedy: 'Read the log and the events of the pods, and correct the template or the parameters of the tenant.',
      },
      Suspended: { status: 'False', description: 'The tenant is suspended.', remedy: 'Set spec.suspended to false to resume it.' },
    },
  },
  RouteReady: {
    description: 'Service and route exist and carry the public URLs of the tenant.',
    reasons: {
      Routed: { status: 'True', description: 'Service and route exist.' },
      Pending: { status: 'False', description: 'The route does not exist yet, or no gateway has accepted it yet.' },
      NotAccepted: {
        status: 'False',
        description: 'The gateway does not accept the route.',
        remedy: 'Check the Gateway, its listeners, and which namespaces it allows.',
      },
    },
  },
  AuthorizationReady: {
    description:
      'The URLs of the tenant are OAuth resources of the authorization server, and all invitations are sent. Written by the control plane.',
    reasons: {
      Registered: { status: 'True', description: 'Users of the organization can sign in.' },
      NoOrganization: { status: 'True', description: 'The tenant has no organization, so only API keys work.' },
      OrganizationNotFound: {
        stalls: 'at once',
        description: 'The organization does not exist at WorkOS.',
        remedy: 'Name an organization of this WorkOS environment in spec.organizationId.',
      },
      OrganizationTaken: {
        stalls: 'at once',
        description: 'The organization already belongs to another tenant.',
        remedy: 'Give this tenant another organization, or remove the organization from the other tenant.',
      },
      OrganizationRefused: {
        stalls: 'at once',
        description: 'WorkOS refused to create the organization.',
        remedy: 'Correct the refusal that the message quotes.',
      },
      InvitationRefused: {
        stalls: 'at once',
        description: 'WorkOS refused an invitation.',
        remedy: 'Correct the address of the invitation, or the refusal that the message quotes.',
      },
      ProviderUnavailable: {
        status: 'False',
        description: 'WorkOS does not answer; the control plane tries again.',
        remedy: 'If it stays so, run tenantry workos check and read the log of the control plane.',
      },
    },
  },
  Verified: {
    description: 'An MCP handshake through the public route of the tenant succeeded.',
    reasons: {
      HandshakeSucceeded: { status: 'True', description: 'The last handshake succeeded.' },
      Pending: { status: 'False', description: 'The handshake has not been tried yet.' },
      Unreachable: {
        status: 'False',
        description: 'The public URL does not answer.',
        remedy: 'Check DNS, TLS and the gateway; tenantry diagnose tries each of them.',
      },
      HandshakeFailed: {
        status: 'False',
        description: 'The public URL answers, but the MCP handshake fails.',
        remedy: 'Read the log of the sidecar, and run tenantry diagnose.',
      },
      MetadataInvalid: {
        status: 'False',
        description: 'The OAuth metadata at the public URL is not the metadata of the tenant.',
        remedy: 'Check that the public URL leads to this tenant and that no proxy changes the answer.',
      },
      ChallengeMissing: {
        status: 'False',
        description: 'A request without a token is not answered with 401 and the URL of the metadata.',
        remedy: 'Check that no proxy between client and sidecar answers requests or removes headers.',
      },
      Suspended: { status: 'False', description: 'The tenant is suspended.' },
    },
  },
  Ready: {
    description: 'All conditions above held once, and a pod of the tenant serves.',
    reasons: {
      Ready: { status: 'True', description: 'The tenant serves.' },
      Progressing: { status: 'False', description: 'The tenant is being created; the message names the missing conditions.' },
      Stalled: {
        status: 'False',
        description: 'The tenant cannot become ready until a person acts.',
        remedy: 'Follow the message of the condition Stalled.',
      },
      WorkloadUnavailable: {
        status: 'False',
        description: 'The tenant was ready, but none of its pods serves now.',
        remedy: 'Follow the message of the condition WorkloadAvailable.',
      },
      Suspended: { status: 'False', description: 'The tenant is suspended.', remedy: 'Set spec.suspended to false to resume it.' },
      Deleting: { status: 'False', description: 'The tenant is being deleted.' },
    },
  },
  Reconciling: {
    description: 'The operator is still working on the tenant.',
    reasons: {
      Progressing: { status: 'True', description: 'The message names what the operator waits for.' },
      Settled: { status: 'False', description: 'Nothing is being changed.' },
      Deleting: { status: 'True', description: 'The tenant is being deleted; the message names what is left.' },
    },
  },
  Stalled: {
    description: 'Nothing will change until a person acts. The reason is one of these, or a stalling reason of another condition.',
    reasons: {
      Progressing: { status: 'False', description: 'No person has to act.' },
      NamespaceConflict: {
        stalls: 'at once',
        description: 'The namespace of the tenant exists and does not belong to it.',
        remedy: 'Delete the namespace, or choose another name for the tenant.',
      },
      ApplyRefused: {
        stalls: 'at once',
        description: 'The Kubernetes API refused an object of the tenant.',
        remedy: 'Correct the Tenant or its template as the message says.',
      },
      CleanupFailed: {
        stalls: 'at once',
        description: 'An object or resource of the deleted tenant cannot be removed.',
        remedy: 'Correct the cause that the message names. The operator tries again by itself.',
      },
      Paused: {
        stalls: 'at once',
        description: 'Reconciliation is paused by the annotation tenantry.dev/reconcile: paused.',
        remedy: 'Remove the annotation to resume reconciliation.',
      },
    },
  },
} as const satisfies Record<string, ConditionDefinition>;

type Conditions = typeof conditions;
export type ConditionType = keyof Conditions;

/** Names of the reasons of condition `T` that stall the tenant. */
export type StallOf<T extends ConditionType> = {
  [R in keyof Conditions[T]['reasons']]: Conditions[T]['reasons'][R] extends StallingReason ? R : never;
}[keyof Conditions[T]['reasons']];
export type Stall = { [T in ConditionType]: StallOf<T> }[ConditionType];

type ReasonsOf = { [T in ConditionType]: keyof Conditions[T]['reasons'] | (T extends 'Stalled' ? Stall : never) };
export type ConditionReason<T extends ConditionType = ConditionType> = ReasonsOf[T];

export const conditionTypes = Object.keys(conditions) as readonly ConditionType[];

const definitions: Readonly<Record<ConditionType, ConditionDefinition>> = conditions;

const stalls: ReadonlyMap<string, { readonly type: ConditionType } & StallingReason> = new Map(
  conditionTypes.flatMap((type) =>
    Object.entries(definitions[type].reasons).flatMap(([reason, definition]) =>
      'stalls' in definition ? [[reason, { type, ...definition }] as const] : [],
    ),
  ),
);

/** Whether only a person can end `reason`. For some reasons this is certain only after a while. */
export function isStall(reason: string): reason is Stall {
  return stalls.has(reason);
}

/** Whether `reason` stalls the tenant as soon as it is seen. */
export function stallsAtOnce(reason: string): reason is Stall {
  return stalls.get(reason)?.stalls === 'at once';
}

/** The condition that a stalling `reason` is defined for. */
export function conditionOfStall(reason: string): ConditionType | undefined {
  return stalls.get(reason)?.type;
}

/** The possible reasons of the condition `type`. */
export function reasonsOf(type: ConditionType): string[] {
  const own = Object.keys(definitions[type].reasons);
  return type === 'Stalled' ? [...new Set([...own, ...stalls.keys()])] : own;
}

/** Instructions for a condition that is not in its healthy state. */
export function remedyOf(type: ConditionType, reason: string): string | undefined {
  return definitions[type].reasons[reason]?.remedy ?? (type === 'Stalled' ? stalls.get(reason)?.remedy : undefined);
}

/** Completes a reason into a condition without time and generation. */
export function verdict<T extends ConditionType>(type: T, reason: ConditionReason<T>, message: string): Verdict {
  const definition = definitions[type].reasons[reason as string];
  const passing = definition !== undefined && 'status' in definition;
  return { type, status: passing ? definition.status : type === 'Stalled' ? 'True' : 'False', reason: reason as string, message };
}

/** `lastTransitionTime` is RFC 3339 in UTC and changes only when `status` changes. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
}

/** The verdict on the condition that `reason` is defined for. */
export function verdictOfStall(reason: Stall, message: string): Verdict {
  const type = conditionOfStall(reason) ?? 'Stalled';
  return { type, status: type === 'Stalled' ? 'True' : 'False', reason, message };
}

/** A condition without time and generation, as a controller decides it. `verdict` creates it. */
export interface Verdict {
  readonly type: ConditionType;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** Completes `verdicts` into conditions. An unchanged status keeps its time, so that a second pass writes nothing. */
export function mergeConditions(
  previous: readonly Condition[],
  verdicts: readonly Verdict[],
  generation: number,
  now: () => Date,
): Condition[] {
  return verdicts.map((verdict) => {
    const before = previous.find((condition) => condition.type === verdict.type);
    return {
      type: verdict.type,
      status: verdict.status,
      reason: verdict.reason,
      message: verdict.message,
      observedGeneration: generation,
      lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : rfc3339(now()),
    };
  });
}

/**
 * Formats a time in whole seconds, as conditions of Kubernetes have them. The API server would cut milliseconds, and the next comparison
 * would find a difference.
 */
export function rfc3339(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

export function isTrue(conditions: readonly Condition[] | undefined, type: ConditionType): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}
