import { SchemaRedactor } from '../../audit/schema-redactor.ts';
import { isObject } from '../../json/object.ts';

/**
 * The body of a request that creates or changes a tenant, as the audit stores it. The template's schema decides which parameters are stored.
 * Without a schema, or for a parameter that it does not declare, only the name is stored.
 */
export function recordedBody(body: unknown, parameterSchema: Readonly<Record<string, unknown>> | undefined): unknown {
  if (!isObject(body) || body['parameters'] === undefined) return body;
  return { ...body, parameters: new SchemaRedactor(parameterSchema ?? {}).redact(body['parameters']) };
}
