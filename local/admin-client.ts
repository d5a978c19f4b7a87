/** Calls the Admin API as an admin's script does. */
export class AdminClient {
  readonly #baseUrl: string;
  readonly #token: string;

  constructor(baseUrl: string, token: string) {
    this.#baseUrl = baseUrl;
    this.#token = token;
  }

  /** Sends one request. @throws Error with the problem's title and detail unless the status is among `expected`. */
  async call(
    method: string,
    path: string,
    body?: object,
    expected: readonly number[] = [200, 201, 202],
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer: unknown = await response.json().catch(() => undefined);
    if (!expected.includes(response.status)) {
      const { title = 'no problem document', detail = '' } = (answer ?? {}) as { title?: string; detail?: string };
      throw new Error(`${method} ${path} answered ${response.status}: ${title} ${detail}`.trim());
    }
    return { status: response.status, body: answer };
  }
}
