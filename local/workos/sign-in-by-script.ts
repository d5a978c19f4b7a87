/** Maximum number of redirects of a sign-in. More indicate a loop. */
const maxSteps = 10;

/**
 * Signs in like a browser: follows an authorization URL to the sign-in page, posts e-mail and password to its form with the received
 * cookies, and follows redirects until one leads to the client. A member of several organizations chooses the given one, or the one
 * that the page preselects.
 *
 * @returns the client's redirect URL, with `code` and `state`, or with `error` when the authorization was refused.
 * @throws when a page answers with an error, such as a wrong password (403 or 400) or an unknown redirect URI.
 */
export async function signInByScript(
  authorizationUrl: string | URL,
  { organizationId, ...credentials }: { readonly email: string; readonly password: string; readonly organizationId?: string },
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<URL> {
  const cookies = new Map<string, string>();
  const { origin } = new URL(authorizationUrl);
  let request: { url: URL; body?: URLSearchParams } = { url: new URL(authorizationUrl) };
  for (let step = 0; step < maxSteps; step++) {
    const response = await fetch(request.url, {
      method: request.body === undefined ? 'GET' : 'POST',
      ...(request.body === undefined ? {} : { body: request.body }),
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      redirect: 'manual',
      signal,
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name !== undefined && value !== undefined) cookies.set(name, value);
    }
    const location = response.headers.get('location');
    const text = await response.text();
    if (location !== null) {
      const next = new URL(location, request.url);
      if (next.origin !== origin) return next;
      request = { url: next };
    } else if (response.ok && (request.body === undefined || text.includes('name="organization_id"'))) {
      const action = /<form method="post" action="([^"]+)"/.exec(text)?.[1];
      if (action === undefined) throw new Error(`no sign-in form at ${request.url.pathname}`);
      const preselected = /name="organization_id" value="([^"]+)" checked/.exec(text)?.[1];
      const answers = preselected === undefined ? credentials : { organization_id: organizationId ?? preselected };
      const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)];
      const fields = hidden.map(([, name = '', value = '']): [string, string] => [name, value.replaceAll('&amp;', '&')]);
      request = { url: new URL(action, request.url), body: new URLSearchParams([...fields, ...Object.entries(answers)]) };
    } else {
      const said = /role="alert">([^<]+)</.exec(text)?.[1] ?? /<h1>[^<]*<\/h1><p>([^<]+)</.exec(text)?.[1] ?? 'no reason given';
      throw new Error(`sign-in refused with ${response.status}: ${said}`);
    }
  }
  throw new Error(`sign-in did not end after ${maxSteps} steps`);
}
