import { decodeJwt, type JWTPayload } from 'jose';
import { apiKeyId } from '../../../crds/api-keys.ts';
import { spanOf } from '../../output/text.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import type { Answer, Outside } from '../outside.ts';
import type { Scene } from '../scene.ts';
import { readMetadata, sameIssuer } from './metadata.ts';

/** Checks that the endpoint asks for a token as clients expect, and that it accepts the user's token. */
export const tokenLink: Link = {
  name: 'token',
  needs: ['dns', 'tcp', 'tls', 'route', 'pod'],
  async check(scene) {
    const { outside, token } = scene;
    if (outside === undefined) return notChecked('the tenant has no URL yet');
    const challenge = await outside.challenge();
    const header = challenge.headers.get('www-authenticate') ?? '';
    if (challenge.status !== 401 || !header.includes(outside.metadataUrl)) {
      return broken(
        `without a token it answered ${challenge.status}${challenge.status === 401 ? ' without naming its metadata' : ' instead of 401'}: clients cannot find where to sign in`,
        'Look whether a proxy between answers for the sidecar or takes headers away.',
      );
    }
    const seen = ['without a token: 401, and WWW-Authenticate names the metadata'];
    if (token === undefined) return ok(...seen, 'no token was given to be looked at (--token-file, or TENANTRY_TENANT_TOKEN)');
    if (outside.notSecret !== undefined) return notChecked(outside.notSecret, seen);
    const finding = token.startsWith('tnt_') ? await judgeKey(token, outside, scene) : await judgeToken(token, outside, scene);
    return { ...finding, seen: [...seen, ...finding.seen] };
  },
};

async function judgeKey(key: string, outside: Outside, { tenant, commands }: Scene): Promise<Finding> {
  const id = apiKeyId(key);
  if (id === undefined)
    return broken(
      'the API key is not whole: its checksum does not fit',
      'Copy it again, from where it was shown once, or make another with `tenantry keys create`.',
    );
  const answer = await outside.askForTools(key);
  if (answer.status === 200) return ok(`API key ${id} is accepted`);
  return broken(
    `API key ${id}: ${saying(answer)}`,
    'Look whether it was revoked, has expired or belongs to another tenant.',
    [],
    tenant === undefined ? [] : [commands.tenantry('keys', 'list', tenant.name)],
  );
}

async function judgeToken(token: string, outside: Outside, scene: Scene): Promise<Finding> {
  const again = 'Let the client sign in again at this very URL: tokens are made for one tenant and end after a while.';
  let claims: JWTPayload;
  try {
    claims = decodeJwt(token);
  } catch {
    return broken('the token is no JSON Web Token', 'Give the access token of an MCP client, or an API key (tnt_...).');
  }
  const now = scene.now().getTime() / 1000;
  const audiences = [claims.aud ?? []].flat();
  const seen = [
    `token of ${claims.sub ?? 'nobody'}, issuer ${claims.iss ?? 'none'}, for ${audiences.join(', ') || 'nobody in particular'}`,
  ];
  if (claims.exp !== undefined && claims.exp <= now)
    return broken(`the token has expired ${spanOf(Math.floor(now - claims.exp))} ago`, again, seen);
  if (claims.exp !== undefined) seen.push(`valid for ${spanOf(Math.floor(claims.exp - now))} more`);
  const servers = readMetadata((await outside.metadata()).text)?.servers ?? [];
  if (!servers.some((server) => sameIssuer(server, claims.iss ?? '')))
    return broken(`the token is of the issuer ${claims.iss ?? 'none'}; this tenant trusts ${servers.join(', ')}`, again, seen);
  const wanted = scene.tenant?.spec.organizationId;
  const organization = claims['org_id'];
  if (claims.sub?.startsWith('client_')) return judgeMachine(claims.sub, organization, wanted, token, outside, seen);
  if (!audiences.includes(outside.url.href))
    return broken(`the token is for ${audiences.join(', ') || 'nobody'}, not for ${outside.url.href}`, again, seen);
  // Not a fault: the sidecar checks the membership, and a member of several organizations may have signed in to any of them.
  if (wanted !== undefined && typeof organization === 'string' && organization !== wanted)
    seen.push(`signed in to the organization ${organization}; what counts is the membership of ${wanted}`);
  const answer = await outside.askForTools(token);
  if (answer.status === 200) return ok(...seen, 'it is accepted: signature, audience and membership are right');
  const said = saying(answer);
  if (answer.status === 403)
    return broken(
      `the user may not use the tenant: ${said}`,
      `Make ${claims.sub ?? 'the user'} an active member of the organization ${wanted ?? ''} at WorkOS, with a role that may use tools.`,
      seen,
    );
  if (answer.status === 503)
    return broken(
      `the membership cannot be checked now: ${said}`,
      'The sidecar asks the control plane, which asks WorkOS: look at the control plane’s log.',
      seen,
      [scene.commands.log('control-plane')],
    );
  return broken(`the token is refused: ${said}`, again, seen);
}

/** Judges the token of an M2M application. Its audience is the whole WorkOS environment, so its organization and scopes decide. */
async function judgeMachine(
  application: string,
  organization: unknown,
  wanted: string | undefined,
  token: string,
  outside: Outside,
  seen: readonly string[],
): Promise<Finding> {
  if (wanted !== undefined && organization !== wanted)
    return broken(
      `the application ${application} belongs to the organization ${organization ?? 'none'}, the tenant to ${wanted}`,
      `Use an M2M application of the organization ${wanted} at WorkOS.`,
      seen,
    );
  const answer = await outside.askForTools(token);
  if (answer.status === 200) return ok(...seen, 'it is accepted: signature, organization and scope are right');
  return broken(
    `the application may not use the tenant: ${saying(answer)}`,
    'Ask for the token with scope=mcp or scope=mcp:read, which the M2M application must have at WorkOS.',
    seen,
  );
}

/** Status and error text of an answer, in one line. */
function saying({ status, headers, text }: Answer): string {
  const described = /error_description="([^"]*)"/.exec(headers.get('www-authenticate') ?? '')?.[1];
  if (described !== undefined) return `${status}, ${described}`;
  try {
    const { detail, title, error } = JSON.parse(text) as { detail?: unknown; title?: unknown; error?: { message?: unknown } };
    const words = detail ?? title ?? error?.message;
    return typeof words === 'string' ? `${status}, ${words.slice(0, 300)}` : String(status);
  } catch {
    return String(status);
  }
}
