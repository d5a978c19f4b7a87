import { z } from 'zod';
import { tenantNameMaxLength, tenantNamePattern } from '../../crds/names.ts';
import { tagList } from '../http/entity-tags.ts';
import { sortOrders } from './listing.ts';

/** Parts of requests that several operations share. An impossible name is answered like one that does not exist: 404. */

const tenantName = z
  .string()
  .max(253)
  .describe('Name of the tenant.')
  .meta({ pattern: tenantNamePattern, minLength: 1, maxLength: tenantNameMaxLength, examples: ['acme'] });

export const byName = z.object({ name: tenantName });
export const byService = z.object({
  name: tenantName,
  service: z.string().max(100).describe('Name of the service.').meta({ pattern: '^[a-z][-a-z0-9]*$', minLength: 1, maxLength: 40 }),
});
export const byDomain = z.object({
  name: tenantName,
  domain: z
    .string()
    .max(253)
    .describe('The host name.')
    .meta({ pattern: '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$', minLength: 3 }),
});
export const byApiKey = z.object({
  name: tenantName,
  id: z
    .string()
    .max(100)
    .describe('Id of the key: its part after `tnt_`.')
    .meta({ pattern: '^[0-9A-Za-z]{12}$', minLength: 12, maxLength: 12 }),
});
export const byTemplate = z.object({
  name: z
    .string()
    .max(253)
    .describe('Name of the template.')
    .meta({ pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', minLength: 1, maxLength: 63, examples: ['toolbridge'] }),
});

/** A boolean in a query, where all values are text. */
const flag = z
  .enum(['true', 'false'])
  .optional()
  .transform((text) => text === 'true')
  .meta({ type: 'boolean', enum: [true, false], default: false });

export const dryRun = flag.describe('Checks everything and stores nothing.');
export const force = flag.describe('Takes over fields of another field manager. For administrators of the platform.');

export const sort = z.enum(sortOrders).default('name').describe('Order; with `-` descending.');

export const ifMatch = z
  .string()
  .regex(tagList, 'must be a list of ETags of this API, such as "4711"')
  .optional()
  .describe(
    'ETags. The object must still have one of them; `*` matches any. Only the resourceVersion is compared, the part before the hyphen. A weak ETag (`W/`) never matches.',
  )
  .meta({ examples: ['"4711-Jb2mfRhGZ0qt"'] });
export const ifNoneMatch = z
  .string()
  .regex(tagList, 'must be a list of ETags of this API, such as "4711"')
  .optional()
  .describe("ETags of the caller's copies. The answer is 304 if the object still has one of them.")
  .meta({ examples: ['"4711-Jb2mfRhGZ0qt"'] });

export const idempotencyKey = z
  .string()
  .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible characters')
  .optional()
  .describe('A text of your choosing, such as a UUID. For a day, the same request with the same key gets the first answer again.');
