/** An answer of WorkOS that refuses a request: its status, and its body in the shape the real API gives it. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(String(body['message'] ?? body['error_description'] ?? 'refused'));
    this.status = status;
    this.body = body;
  }
}

export const notFound = (what: string, id: string) =>
  new Refusal(404, { message: `${what} not found: '${id}'.`, code: 'entity_not_found', entity_id: id });

export const invalid = (message: string, errors: readonly { field: string; code: string }[] = []) =>
  new Refusal(422, {
    message,
    code: 'invalid_request_parameters',
    errors: errors.map(({ field, code }) => ({ field, code, message: `${field} is not valid: ${code}.` })),
  });

/** A refusal in OAuth's shape, which the authenticate endpoint uses for grants and clients. */
export const oauthRefusal = (error: string, description: string) => new Refusal(400, { error, error_description: description });

/** What a service in trouble answers. */
export const unavailable = () => new Refusal(503, { message: 'Service Unavailable' });

/** More requests than an environment may send; `retryAfter` in seconds. */
export class TooManyRequests extends Refusal {
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(429, { message: 'Too many requests.', code: 'rate_limit_exceeded' });
    this.retryAfter = retryAfter;
  }
}
