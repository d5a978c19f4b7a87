import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './schema.ts';

export type Schemas = components['schemas'];
export type Tenant = Schemas['Tenant'];
export type Problem = Schemas['Problem'];

/** Calls to the Admin API, typed by its OpenAPI document: `await api.GET('/admin/tenants/{name}', {params: {path: {name}}})`. */
export type AdminApiClient = Client<paths>;

export interface ClientOptions {
  /** URL of the control plane, such as `https://admin.example.com`. */
  readonly baseUrl: string;
  /** Returns an AuthKit session access token. It is called before each request, because a token expires within minutes. */
  readonly token: () => string | Promise<string>;
  readonly fetch?: typeof globalThis.fetch;
}

/** Creates a client. Its answers are `{data, error, response}`: `error` is a problem document (RFC 9457), `data` the body of a success. */
export function adminApiClient({ baseUrl, token, fetch }: ClientOptions): AdminApiClient {
  const client = createClient<paths>({ baseUrl, ...(fetch === undefined ? {} : { fetch: (request: Request) => fetch(request) }) });
  client.use({
    onRequest: async ({ request }) => {
      request.headers.set('authorization', `Bearer ${await token()}`);
      return request;
    },
  });
  return client;
}

/** @throws Error with the problem's title and detail. */
export function dataOf<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  if (error === undefined && data !== undefined) return data;
  const { title = 'no problem document', detail = '' } = (error ?? {}) as Partial<Problem>;
  throw new Error(`${new URL(response.url).pathname} answered ${response.status}: ${title} ${detail}`.trim());
}
