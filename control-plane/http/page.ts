import { z } from 'zod';

/** Query parameters of a list that is read page by page. */
export const page = {
  limit: z
    .string()
    // Digits only: Number() also accepts 0x10, 1e1 and +5.
    .refine((text) => /^[1-9]\d{0,2}$/.test(text) && Number(text) <= 500, 'must be a whole number from 1 to 500')
    .transform(Number)
    .default(100)
    .describe('Largest number of items on a page.')
    .meta({ type: 'integer', minimum: 1, maximum: 500, default: 100 }),
  cursor: z.string().max(400).optional().describe('`nextCursor` of the previous page.'),
};
