import { WorkOS } from '@workos-inc/node';
import { decodeJwt } from 'jose';
import { expect, inject } from 'vitest';
import './context.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Bodies are checked by shape in each test.
  readonly body: Record<string, unknown> & { errors?: { pointer: string; detail: string }[] };
}

export interface Change {
  /** Null for none. */
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
}

/** Raw requests to the Admin API of the shared stack, malformed ones too, and tokens of real sign-ins. */
export class AdminApi {
  readonly context = inject('tenantry');
  readonly workos: WorkOS;
  /** Tells this run's names from those of others. */
  readonly run = Math.random().toString(36).slice(2, 7);
  /** Organization of the platform's administrators. */
  readonly platform = String(decodeJwt(this.context.adminToken)['org_id']);

  constructor() {
    const { workos } = this.context;
    const api = new URL(workos.apiUrl);
    const options = { clientId: workos.clientId, apiHostname: api.hostname, https: false, port: Number(api.port) };
    this.workos = new WorkOS(workos.apiKey, options);
  }

  call = async (method: string, path: string, body?: unknown, change: Change = {}): Promise<Answer> => {
    const { adminUrl, adminToken } = this.context;
    const token = change.token === undefined ? adminToken : change.token;
    const response = await fetch(adminUrl + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...change.headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  };

  /** A session token of a user in `role`, from a real sign-in. */
  async tokenOf(role: string, organizationId = this.platform): Promise<string> {
    const email = `${role}-${this.run}-${Math.random().toString(36).slice(2)}@example.com`;
    const password = 'a password for tests';
    const { userManagement } = this.workos;
    const user = await userManagement.createUser({ email, password });
    await userManagement.createOrganizationMembership({ organizationId, userId: user.id, roleSlug: role });
    return (await userManagement.authenticateWithPassword({ clientId: this.context.workos.clientId, email, password })).accessToken;
  }

  async organization(name: string): Promise<string> {
    return (await this.workos.organizations.createOrganization({ name: `${name} ${this.run}` })).id;
  }
}

export function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.body).toMatchObject({
    type: `https://tenantry.dev/problems/${code}`,
    status,
    code,
    title: expect.any(String),
    detail: expect.any(String),
    remedy: expect.any(String),
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(answer.body['requestId']).toBe(answer.headers.get('x-request-id'));
}

export const pointersOf = ({ body }: Answer): string[] => (body.errors ?? []).map(({ pointer }) => pointer).sort();
