import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Events } from '../state/events.ts';
import type { Outages } from '../state/outages.ts';
import { Refusal, unavailable } from '../state/refusal.ts';
import { listOf, parsed } from './lists.ts';

const filter = z.object({
  // Accepts one parameter with commas, and the repeated parameter that the SDK sends.
  events: z.union([z.string(), z.array(z.string())]).optional(),
  organization_id: z.string().optional(),
  range_start: z.string().optional(),
});

/** https://workos.com/docs/reference/events */
export function eventRoutes(app: FastifyInstance, events: Events, outages: Outages): void {
  app.get('/events', async ({ query }) => {
    if (outages.endOf('events') !== undefined) throw unavailable();
    const wanted = parsed(filter, query);
    const names = [wanted.events ?? []].flat().flatMap((part) => part.split(',').filter((name) => name !== ''));
    return listOf(
      events.list({
        events: names.length === 0 ? undefined : names,
        organizationId: wanted.organization_id,
        from: startOf(wanted.range_start),
      }),
      query,
    );
  });
}

function startOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Date.parse(text);
  if (Number.isNaN(value)) throw new Refusal(400, { code: 'bad_request', message: 'range_start is not an ISO-8601 date.' });
  return value;
}
