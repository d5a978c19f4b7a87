/** A demo account. The page may show its e-mail and password, because the account exists only on this machine. */
export interface DemoAccount {
  readonly email: string;
  readonly password: string;
  /** Purpose of the account, such as "member of Acme". */
  readonly note?: string | undefined;
}

export interface SignInPage {
  /** URL that the form is sent to. */
  readonly action: string;
  /** Name of the requesting client. */
  readonly client: string;
  /** URLs that the client requests access to. */
  readonly resources: readonly string[];
  readonly accounts: readonly DemoAccount[];
  readonly email?: string | undefined;
  readonly error?: string | undefined;
}

/** Sign-in form with `email` and `password`. It uses no script, so that browsers and programs can both use it. */
export function signInPage(page: SignInPage): string {
  const resources = page.resources.map((uri) => `<li><code>${html(uri)}</code></li>`).join('');
  return document(
    'Sign in',
    `<h1>Sign in</h1>
<p><strong>${html(page.client)}</strong> asks to act for you${resources === '' ? '.' : ' at:'}</p>
${resources === '' ? '' : `<ul>${resources}</ul>`}
${page.error === undefined ? '' : `<p class="error" role="alert">${html(page.error)}</p>`}
<form method="post" action="${html(page.action)}">
<label>E-mail <input name="email" type="email" autocomplete="username" required autofocus value="${html(page.email ?? '')}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in and allow</button>
</form>
${accountTable(page.accounts)}`,
  );
}

/** Table of the demo accounts, with a note that this is not the real AuthKit. */
export function accountTable(accounts: readonly DemoAccount[]): string {
  const rows = accounts
    .map(
      ({ email, password, note }) =>
        `<tr><td><code>${html(email)}</code></td><td><code>${html(password)}</code></td><td>${html(note ?? '')}</td></tr>`,
    )
    .join('');
  const table = `<h2>Accounts on this machine</h2><table><tr><th>E-mail</th><th>Password</th><th></th></tr>${rows}</table>`;
  return `${rows === '' ? '' : table}
<p class="note">This page stands in for WorkOS AuthKit on this machine.</p>`;
}

export function errorPage(error: string, description: string): string {
  return document('Sign-in failed', `<h1>Sign-in failed</h1><p>${html(description)}</p><p class="note"><code>${html(error)}</code></p>`);
}

export function donePage(message: string): string {
  return document('Done', `<h1>Done</h1><p role="status">${html(message)} You can close this page.</p>`);
}

export function document(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:8vh auto;padding:0 1rem}
label{display:block;margin:.8rem 0}
input:not([type=radio]){display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
button{padding:.6rem 1rem;font:inherit;cursor:pointer}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}td code{white-space:nowrap}
h2{font-size:1rem;margin-top:2rem}code{overflow-wrap:anywhere}
.error{border-left:4px solid #c22;padding-left:.8rem}.note{opacity:.7;font-size:.85rem;margin-top:2rem}
</style></head><body><main>
${body}
</main></body></html>
`;
}

export function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
