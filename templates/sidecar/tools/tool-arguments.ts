import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { pointerParts } from '../../../json/pointer.ts';
import { faultsOf } from '../../runtime/json-schema.ts';
import type { Tool } from '../settings/tool.ts';

/** Checks arguments before anything is called. Compiled on a tool's first call: most conversations use few of the tools. */
export class ArgumentChecker {
  readonly #compiled = new WeakMap<Tool, ValidateFunction>();

  /** Faults of the arguments, one sentence each, for an LLM's next try; empty when they can be used. */
  check(tool: Tool, args: unknown): string[] {
    const validate = this.#validator(tool);
    if (validate(args)) return [];
    const known = Object.keys(propertiesOf(tool));
    return faultsOf(validate.errors ?? []).map(({ pointer, detail }) => {
      const name = pointerParts(pointer).join('.') || 'arguments';
      const surplus = detail === 'is not known here' && !name.includes('.');
      return `${name} ${surplus ? `is no argument of this tool; it has: ${known.join(', ') || 'none'}` : detail}${hintOf(tool, name, detail)}`;
    });
  }

  #validator(tool: Tool): ValidateFunction {
    const known = this.#compiled.get(tool);
    if (known !== undefined) return known;
    // One instance a tool, so that everything a document brings is freed with it.
    const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, coerceTypes: false, logger: false });
    formats.default(ajv);
    const validate = compile(ajv, tool);
    this.#compiled.set(tool, validate);
    return validate;
  }
}

/** A schema that no validator understands checks nothing; the API itself still does. */
function compile(ajv: Ajv2020, tool: Tool): ValidateFunction {
  try {
    return ajv.compile(tool.inputSchema);
  } catch {
    return ajv.compile({ type: 'object' });
  }
}

function propertiesOf(tool: Tool): Readonly<Record<string, { description?: unknown }>> {
  return (tool.inputSchema['properties'] ?? {}) as Readonly<Record<string, { description?: unknown }>>;
}

/** A pattern is said in words where the document has them. */
function hintOf(tool: Tool, name: string, detail: string): string {
  const properties = propertiesOf(tool);
  const description = Object.hasOwn(properties, name) ? properties[name]?.description : undefined;
  return typeof description === 'string' && !detail.startsWith('is no') && !detail.includes(description) ? ` (${description})` : '';
}
