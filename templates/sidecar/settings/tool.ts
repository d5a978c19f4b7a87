import type { JsonSchema } from '../../runtime/json-schema.ts';

/** Where an argument goes in the request. */
export type Binding =
  | { readonly in: 'path' | 'query'; readonly argument: string; readonly name: string; readonly style: Style }
  | { readonly in: 'header'; readonly argument: string; readonly name: string; readonly style: Style }
  | { readonly in: 'property'; readonly argument: string; readonly name: string }
  | { readonly in: 'body'; readonly argument: string };

/** How a parameter is written: https://spec.openapis.org/oas/v3.1.1.html#style-values */
export interface Style {
  readonly kind: 'simple' | 'form' | 'spaceDelimited' | 'pipeDelimited' | 'deepObject' | 'json';
  readonly explode: boolean;
}

export interface ToolBody {
  readonly mediaType: string;
  readonly encoding: 'json' | 'form' | 'text';
  readonly required: boolean;
  /** Arguments without a binding become properties of the body. */
  readonly open: boolean;
}

export interface Annotations {
  readonly title?: string;
  readonly readOnlyHint: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint: boolean;
}

/** One operation of an API as a tool. */
export interface Tool {
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** The schema that arguments are checked against. */
  readonly inputSchema: JsonSchema;
  readonly annotations: Annotations;
  /** Of the operation; switches of the template name them. */
  readonly tags: readonly string[];
  readonly method: string;
  /** Path of the request, base path included, with parameters in braces. */
  readonly path: string;
  readonly bindings: readonly Binding[];
  readonly body: ToolBody | undefined;
}
