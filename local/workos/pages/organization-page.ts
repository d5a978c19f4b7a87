import { z } from 'zod';
import type { Offer } from '../sign-in/organization-choice.ts';
import { document, html } from './pages.ts';

/** Fields that the page submits. */
export const organizationForm = z.object({ ticket: z.string(), organization_id: z.string() });

/** Page on which a member of several organizations chooses one. */
export function organizationPage(action: string, { ticket, organizations }: Offer): string {
  const options = organizations
    .map(
      ({ id, name }, index) =>
        `<label><input type="radio" name="organization_id" value="${html(id)}"${index === 0 ? ' checked' : ''}> ${html(name)}</label>`,
    )
    .join('\n');
  return document(
    'Choose an organization',
    `<h1>Choose an organization</h1>
<form method="post" action="${html(action)}"><input type="hidden" name="ticket" value="${html(ticket)}">
${options}
<button type="submit">Continue</button>
</form>`,
  );
}
