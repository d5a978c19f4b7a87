/** An answer that refuses a request, with the status and the body of the real API. */
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

/** A refusal in OAuth's format, which the authenticate endpoint uses for grants and clients. */
export const oauthRefusal = (error: string, description: string) => new Refusal(400, { error, error_description: description });

/** The answer of a service during an outage. */
export const unavailable = () => new Refusal(503, { message: 'Service Unavailable' });

/** The environment has exceeded its rate limit. `retryAfter` is in seconds. */
export class TooManyRequests extends Refusal {
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(429, { message: 'Too many requests.', code: 'rate_limit_exceeded' });
    this.retryAfter = retryAfter;
  }
}
