/**
 * Accepts an invitation like a user in a browser: opens the page and posts the password. A new account gets this password. For an
 * existing account it must match.
 *
 * @param acceptInvitationUrl `accept_invitation_url` of the invitation.
 * @throws when the page refuses, such as for an invitation that was revoked or a password that is too short.
 */
export async function acceptInvitation(
  acceptInvitationUrl: string | URL,
  password: string,
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<void> {
  const url = new URL(acceptInvitationUrl);
  await read(await fetch(url, { signal }));
  const body = new URLSearchParams({ invitation_token: url.searchParams.get('invitation_token') ?? '', password });
  await read(await fetch(new URL(url.pathname, url), { method: 'POST', body, signal }));
}

async function read(response: Response): Promise<void> {
  const text = await response.text();
  if (response.ok) return;
  const said = /role="alert">([^<]+)</.exec(text)?.[1] ?? /<h1>[^<]*<\/h1><p>([^<]+)</.exec(text)?.[1] ?? 'no reason given';
  throw new Error(`the invitation was not accepted (${response.status}): ${said}`);
}
