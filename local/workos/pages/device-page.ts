import { accountTable, type DemoAccount, document, html } from './pages.ts';

export interface DevicePage {
  readonly accounts: readonly DemoAccount[];
  readonly userCode?: string | undefined;
  readonly email?: string | undefined;
  readonly error?: string | undefined;
}

/** Page on which the user compares the code with the device's, and signs in for the device or refuses it. */
export function devicePage({ accounts, userCode, email, error }: DevicePage): string {
  return document(
    'Sign in a device',
    `<h1>Sign in a device</h1>
<p>Go on only if you started this, and the device shows the same code.</p>
${error === undefined ? '' : `<p class="error" role="alert">${html(error)}</p>`}
<form method="post" action="/device">
<label>Code <input name="user_code" required autocomplete="off" value="${html(userCode ?? '')}"></label>
<label>E-mail <input name="email" type="email" autocomplete="username" required value="${html(email ?? '')}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit" name="decision" value="allow">Sign in and allow</button>
<button type="submit" name="decision" value="deny">Refuse</button>
</form>
${accountTable(accounts)}`,
  );
}
