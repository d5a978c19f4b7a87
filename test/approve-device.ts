export interface DeviceApproval {
  readonly email: string;
  readonly password: string;
  /** Organization to choose, for a member of several. */
  readonly organizationId?: string;
  /** `deny` refuses the device. */
  readonly decision?: 'allow' | 'deny';
}

/**
 * Signs in for a device like a user in a browser: opens the page, posts the code with e-mail and password, and chooses the organization
 * when the page asks for it.
 *
 * @param verificationUrl `verification_uri_complete` of the device's authorization, which carries the code.
 * @throws when a page refuses, such as for a wrong password, an expired code or an organization that the user does not belong to.
 */
export async function approveDevice(
  verificationUrl: string | URL,
  { organizationId, ...person }: DeviceApproval,
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<void> {
  const url = new URL(verificationUrl);
  const userCode = url.searchParams.get('user_code') ?? '';
  const opened = await fetch(url, { signal });
  await opened.text();
  if (!opened.ok) throw new Error(`the page of the device answered ${opened.status}`);
  const { decision = 'allow', ...credentials } = person;
  const answer = await post(new URL('/device', url), { user_code: userCode, decision, ...credentials }, signal);
  const ticket = /name="ticket" value="([^"]+)"/.exec(answer)?.[1];
  if (ticket === undefined) return;
  if (organizationId === undefined) throw new Error('the person belongs to several organizations: say which one');
  await post(new URL('/device/organization', url), { ticket, organization_id: organizationId }, signal);
}

async function post(url: URL, fields: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields), signal });
  const text = await response.text();
  if (response.ok) return text;
  throw new Error(`the device was not approved (${response.status}): ${/role="alert">([^<]+)</.exec(text)?.[1] ?? 'no reason given'}`);
}
