import type { WorkOS } from '@workos-inc/node';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ZodError, z } from 'zod';
import { Problem } from '../../problems/problem.ts';
import { operation } from '../http/operation.ts';
import type { Mirror } from '../memberships/mirror.ts';
import type { ProviderEvent } from '../memberships/provider-events.ts';

/** Largest age of a signature, in milliseconds. WorkOS signs each delivery separately. */
const toleranceMs = 180_000;
/** Largest lead of WorkOS's clock over ours, in milliseconds. */
const aheadMs = 30_000;

const outcome = z.object({
  outcome: z
    .enum(['applied', 'known'])
    .describe('applied: the event was applied. known: the event had arrived before, or it concerns an organization that is not mirrored.'),
});
const signature = z.looseObject({
  'workos-signature': z.string().max(1000).optional().describe('`t=<milliseconds>, v1=<HMAC-SHA256 of time and body>`.'),
});

export interface WebhookParts {
  readonly webhooks: Pick<WorkOS['webhooks'], 'constructEvent'>;
  /** Secret of the endpoint. Undefined when none is configured; all webhooks are refused then. */
  readonly secret: string | undefined;
  readonly mirror: Pick<Mirror, 'apply'>;
}

/** `POST /webhooks/workos`: receives changes of memberships. The Events API has the same events some seconds later. */
export function webhookRoutes(server: FastifyInstance, { webhooks, secret, mirror }: WebhookParts): void {
  // The signature covers the received bytes, so the body is parsed after the check.
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.withTypeProvider<ZodTypeProvider>().post(
      '/webhooks/workos',
      {
        schema: operation({
          caller: 'anybody',
          operationId: 'receiveWebhook',
          tags: ['webhooks'],
          summary: 'Receive an event of WorkOS',
          description: 'Only WorkOS calls this. The body is an event: https://workos.com/docs/events.',
          headers: signature,
          response: { 200: outcome },
          problems: ['webhook-refused', 'route-not-found', 'store-unavailable'],
        }),
      },
      async (request, reply) => {
        if (secret === undefined)
          throw new Problem('route-not-found', 'Webhooks are not configured.', { remedy: 'Set WORKOS_WEBHOOK_SECRET.' });
        const event = await verified(webhooks, request.headers['workos-signature'], request.body, secret);
        const applied = await apply(mirror, event);
        request.log.info({ event: event.id, kind: event.event, applied }, 'webhook received');
        return reply.send({ outcome: applied ? 'applied' : 'known' });
      },
    );
  });
}

/** @throws Problem `webhook-refused` (400), which does not name the fault of the signature. */
async function verified(
  webhooks: WebhookParts['webhooks'],
  sigHeader: string | undefined,
  body: unknown,
  secret: string,
): Promise<ProviderEvent> {
  if (sigHeader === undefined || typeof body !== 'string' || !isSignedInTime(sigHeader, Date.now())) throw refused();
  try {
    const payload = body as unknown as Record<string, unknown>;
    const event: ProviderEvent = await webhooks.constructEvent({ payload, sigHeader, secret, tolerance: toleranceMs });
    if (typeof event.id !== 'string' || typeof event.event !== 'string') throw refused();
    return event;
  } catch (error) {
    throw refused(error);
  }
}

/** Whether the time of the signature is a number and neither too old nor in the future. The SDK refuses only old times. */
export function isSignedInTime(header: string, nowMs: number): boolean {
  const time = /^t=(\d{1,15}),/.exec(header)?.[1];
  return time !== undefined && Number(time) >= nowMs - toleranceMs && Number(time) <= nowMs + aheadMs;
}

async function apply(mirror: WebhookParts['mirror'], event: ProviderEvent): Promise<boolean> {
  try {
    return await mirror.apply(event);
  } catch (error) {
    // The event is signed but has an unknown form. The Events API has it too, and the poll then lists the memberships again.
    if (error instanceof ZodError) throw refused(error);
    throw error;
  }
}

function refused(cause?: unknown): Problem {
  return new Problem('webhook-refused', 'The event needs a WorkOS-Signature of this endpoint that is at most three minutes old.', {
    cause,
  });
}
