interface EventDefinition {
  readonly type: 'Normal' | 'Warning' | 'Normal or Warning';
  readonly description: string;
}

/** Reasons of the Events on a Tenant. They are API: alerts match on them, so reasons are added and never renamed. */
export const eventReasons = {
  Ready: { type: 'Normal', description: 'The tenant became Ready.' },
  NotReady: { type: 'Normal or Warning', description: 'The tenant is no longer Ready. Normal if somebody suspended or deleted it.' },
  Stalled: {
    type: 'Warning',
    description: 'Nothing will change until a person acts. The message has the reason of the condition Stalled.',
  },
  SecretsRegenerated: { type: 'Warning', description: 'A Secret was missing or damaged, and the operator made it again.' },
  SecretsRotating: { type: 'Normal', description: 'A rotation of the secrets began.' },
  SecretsRotated: { type: 'Normal', description: 'All pods use the new secrets.' },
  SecretsRetired: { type: 'Normal', description: 'The replaced secrets are no longer valid.' },
  Repaired: { type: 'Normal', description: 'An object of the tenant was missing, and the operator made it again.' },
  DatabaseRetained: { type: 'Normal', description: 'The tenant is deleted and its database is kept.' },
  DatabaseDeleted: { type: 'Normal', description: 'The tenant is deleted and so is its database.' },
} as const satisfies Record<string, EventDefinition>;

export type EventReason = keyof typeof eventReasons;
