import { escapePointer } from '../../json/pointer.ts';
/** A JSON Schema as it comes from an OpenAPI document or is made here. Untyped on purpose: documents of others hold anything. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** The report of ajv for one fault; https://ajv.js.org/api.html#error-objects */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** The schema around the keyword; only from a verbose validator. */
  readonly parentSchema?: unknown;
}

export interface SchemaFault {
  /** JSON pointer of the faulty value; of the missing or surplus property where that is the fault. */
  readonly pointer: string;
  /** Description of the fault, such as `must be one of todo, done`. */
  readonly detail: string;
}

const maxFaults = 20;
/** A pattern longer than this is said in the words of its description, where there are any. */
const readablePattern = 60;

/** Faults in words, without the echo of a combined schema (`anyOf` and the like), whose parts are reported too. */
export function faultsOf(errors: readonly SchemaError[]): SchemaFault[] {
  const faults = errors.map(faultOf);
  const seen = new Set<string>();
  return faults
    .filter(({ pointer, detail }) => {
      const key = `${pointer} ${detail}`;
      return seen.has(key) ? false : seen.add(key);
    })
    .slice(0, maxFaults);
}

function faultOf({ instancePath, keyword, params, message, parentSchema }: SchemaError): SchemaFault {
  const at = (property: unknown) => `${instancePath}/${escapePointer(String(property))}`;
  switch (keyword) {
    case 'required':
      return { pointer: at(params['missingProperty']), detail: 'is required' };
    case 'additionalProperties':
      return { pointer: at(params['additionalProperty']), detail: 'is not known here' };
    case 'unevaluatedProperties':
      return { pointer: at(params['unevaluatedProperty']), detail: 'is not known here' };
    case 'enum':
      return { pointer: instancePath, detail: `must be one of ${(params['allowedValues'] as unknown[]).map(word).join(', ')}` };
    case 'const':
      return { pointer: instancePath, detail: `must be ${word(params['allowedValue'])}` };
    case 'type':
      return { pointer: instancePath, detail: `must be ${[params['type']].flat().join(' or ')}` };
    case 'format':
      return { pointer: instancePath, detail: `must be a valid ${params['format']}` };
    case 'pattern': {
      const description = (parentSchema as JsonSchema | undefined)?.['description'];
      const said = typeof description === 'string' && String(params['pattern']).length > readablePattern;
      return { pointer: instancePath, detail: said ? `must be as described: ${description}` : (message ?? 'violates pattern') };
    }
    default:
      return { pointer: instancePath, detail: message ?? `violates ${keyword}` };
  }
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
