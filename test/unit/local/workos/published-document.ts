import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>>;
}

/** One request to the API and its answer. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly request: unknown;
  readonly status: number;
  readonly response: unknown;
}

/** What WorkOS publishes of its API. */
export class PublishedDocument {
  readonly #paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #coercing = new Ajv2020({ strict: false, coerceTypes: 'array' });

  constructor() {
    const document = parse(readFileSync(createRequire(import.meta.url).resolve('@workos/openapi-spec'), 'utf8'));
    this.#paths = document.paths;
    for (const ajv of [this.#ajv, this.#coercing]) {
      addFormats.default(ajv);
      ajv.addSchema(document, 'workos');
    }
  }

  /** Whether it describes a route such as `GET /organizations/:id`, whatever it calls the parameters. */
  describes(route: string): boolean {
    return this.operationOf(route) !== undefined;
  }

  /** `GET /organizations/{id}` for `GET /organizations/:id`. */
  operationOf(route: string): string | undefined {
    const [method = '', path = ''] = route.split(' ');
    const nameless = (template: string): string => template.replaceAll(/:\w+|\{\w+\}/g, '{}');
    const template = Object.keys(this.#paths).find((one) => nameless(one) === nameless(path) && this.#paths[one]?.[method.toLowerCase()]);
    return template === undefined ? undefined : `${method} ${template}`;
  }

  /** Statuses the document has for an operation. */
  statuses(operation: string): string[] {
    return Object.keys(this.#operation(operation).responses);
  }

  /** Whether an empty object does not do as the body. */
  needsBody(operation: string): boolean {
    const body = this.#operation(operation).requestBody;
    return body?.required === true && !this.#compile(operation, 'requestBody')({});
  }

  /** The operation a request belongs to; of two templates that fit, the one with fewer parameters. */
  operationFor(method: string, pathname: string): string | undefined {
    const parts = pathname.split('/');
    const fits = (template: string): boolean => {
      const wanted = template.split('/');
      return wanted.length === parts.length && wanted.every((part, index) => part.startsWith('{') || part === parts[index]);
    };
    const [best] = Object.keys(this.#paths)
      .filter((template) => fits(template) && this.#paths[template]?.[method.toLowerCase()] !== undefined)
      .sort((a, b) => a.split('{').length - b.split('{').length);
    return best === undefined ? undefined : `${method} ${best}`;
  }

  /** What of an exchange is not as the document has it; a refused request may be wrong itself. */
  faults(exchange: Exchange): string[] {
    const operation = this.operationFor(exchange.method, exchange.url.pathname);
    if (operation === undefined) return [`the document has no ${exchange.method} ${exchange.url.pathname}`];
    const accepted = exchange.status < 400;
    return [
      ...(accepted ? this.#faultsOfQuery(operation, exchange.url.searchParams) : []),
      ...(accepted ? this.#faultsOfRequest(operation, exchange.request) : []),
      ...this.#faultsOfAnswer(operation, exchange.status, exchange.response),
    ].map((fault) => `${operation} ${exchange.status}: ${fault}`);
  }

  #operation(operation: string): Operation {
    const [method = '', path = ''] = operation.split(' ');
    const found = this.#paths[path]?.[method.toLowerCase()];
    if (found === undefined) throw new Error(`the document has no ${operation}`);
    return found;
  }

  #faultsOfQuery(operation: string, query: URLSearchParams): string[] {
    const known = (this.#operation(operation).parameters ?? []).filter((parameter) => parameter.in === 'query');
    const missing = known.filter(({ name, required }) => required === true && !query.has(name)).map(({ name }) => `${name} is missing`);
    return [
      ...missing,
      ...[...query].flatMap(([name, value]) => {
        const parameter = known.find((one) => one.name === name);
        if (parameter === undefined) return [`there is no parameter ${name}`];
        const validate = this.#coercing.compile({ type: 'object', properties: { value: parameter.schema } });
        const given = parameter.schema.type === 'array' ? value.split(',') : value;
        return validate({ value: given }) ? [] : [`${name}=${value}: ${this.#coercing.errorsText(validate.errors)}`];
      }),
    ];
  }

  #faultsOfRequest(operation: string, body: unknown): string[] {
    if (this.#operation(operation).requestBody === undefined) {
      // The SDK sends an empty object where nothing is wanted.
      return body == null || JSON.stringify(body) === '{}' ? [] : ['there is no request body'];
    }
    const validate = this.#compile(operation, 'requestBody');
    return validate(body) ? [] : [`request ${JSON.stringify(body)}: ${this.#ajv.errorsText(validate.errors)}`];
  }

  #faultsOfAnswer(operation: string, status: number, body: unknown): string[] {
    const described = this.#operation(operation).responses[String(status)];
    if (described === undefined) return [`the document has no such status, but ${this.statuses(operation).join(', ')}`];
    if (described.content?.['application/json'] === undefined) return [];
    const validate = this.#compile(operation, 'responses', String(status));
    return validate(body) ? [] : [`answer ${JSON.stringify(body)}: ${this.#ajv.errorsText(validate.errors)}`];
  }

  #compile(operation: string, ...where: readonly string[]): ValidateFunction {
    const [method = '', path = ''] = operation.split(' ');
    const pointer = ['paths', path, method.toLowerCase(), ...where, 'content', 'application/json', 'schema']
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const validate = this.#ajv.getSchema(`workos#/${pointer}`);
    if (validate === undefined) throw new Error(`the document has no schema for ${operation} ${where.join(' ')}`);
    return validate as ValidateFunction;
  }
}
