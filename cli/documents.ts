import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

type Fields = Record<string, unknown>;

/** Reads one YAML or JSON document; `-` is standard input. @throws Failure usage */
export async function readDocument(terminal: Terminal, file: string): Promise<Fields> {
  const [name, text] = file === '-' ? ['standard input', await terminal.input()] : [file, contentsOf(file)];
  const documents = parseAllDocuments(text).filter((document) => document.contents !== null);
  const [document] = documents;
  const fault = documents.flatMap(({ errors }) => errors)[0];
  if (fault !== undefined) throw new Failure('usage', `${name} is neither YAML nor JSON: ${fault.message.split('\n')[0]}`);
  if (document === undefined || documents.length > 1)
    throw new Failure('usage', `${name} has ${documents.length} documents; one is wanted.`, {
      remedy: 'Several objects at once: kubectl apply -f',
    });
  const value: unknown = document.toJS();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Failure('usage', `${name} must hold an object.`);
  return value as Fields;
}

/**
 * Converts a Kubernetes object to the fields of the Admin API: name and labels from its metadata, and the fields of its spec. Any other
 * document is returned unchanged.
 * @throws Failure usage for an object of another kind
 */
export function fieldsOf(document: Fields, kind: 'Tenant' | 'StackTemplate'): Fields {
  if (document['kind'] === undefined && document['apiVersion'] === undefined) return document;
  if (document['kind'] !== kind) throw new Failure('usage', `The document is a ${String(document['kind'])}; a ${kind} is wanted.`);
  const { name, labels } = (document['metadata'] ?? {}) as Fields;
  return { ...(name === undefined ? {} : { name }), ...(labels === undefined ? {} : { labels }), ...((document['spec'] ?? {}) as Fields) };
}

/** Parses `a=b` pairs. @throws Failure usage */
export function pairs(texts: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new Failure('usage', `${option} takes name=value, not ${text}.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Parses the value of a parameter as YAML: 3 becomes a number, true a boolean. Invalid YAML stays a string. */
export function scalar(text: string): unknown {
  const [document] = parseAllDocuments(text);
  const value: unknown = document !== undefined && document.errors.length === 0 ? document.toJS() : text;
  return value instanceof Date || value === undefined ? text : value;
}

function contentsOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure('usage', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
