import type { Json } from '../../../audit/json.ts';
import { SchemaRedactor } from '../../../audit/schema-redactor.ts';
import type { Tool } from '../settings/tool.ts';

/** Arguments of tool calls as the audit keeps them. Arguments in the path name what is addressed, so they are kept. */
export class ArgumentRedactor {
  readonly #redactors = new WeakMap<Tool, SchemaRedactor>();

  redact(tool: Tool, args: Readonly<Record<string, unknown>>): Json {
    let redactor = this.#redactors.get(tool);
    if (redactor === undefined) {
      const inPath = tool.bindings.filter((binding) => binding.in === 'path').map(({ argument }) => argument);
      redactor = new SchemaRedactor(tool.inputSchema, { identifiers: new Set(inPath) });
      this.#redactors.set(tool, redactor);
    }
    return redactor.redact(args);
  }
}
