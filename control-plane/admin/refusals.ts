import { escapePointer, type Fault } from '../../crds/parameters.ts';
import type { KubeError } from '../../kube/errors.ts';

/** The faults the CustomResourceDefinition itself found, as pointers into the body of the Admin API, where the spec's fields stand flat. */
export function faultsOfRefusal(error: KubeError): Fault[] {
  if (error.causes.length === 0) return [{ pointer: '', message: error.message }];
  return error.causes.map(({ field, message }) => ({
    pointer: pointerOf(field ?? '', message),
    message: message.replace(/^Invalid value: /, ''),
  }));
}

/** `spec.containers[api].env[0].name` -> `/containers/api/env/0/name`. */
function pointerOf(field: string, message: string): string {
  const path = field
    .replace(/\[([^\]]*)\]/g, '.$1')
    .split('.')
    .filter((part) => part !== '' && part !== '<nil>');
  if (path[0] === 'metadata') path.shift();
  else if (path[0] === 'spec') path.shift();
  if (path.length > 0) return path.map((part) => `/${escapePointer(part)}`).join('');
  // Rules over the whole spec begin with the field they speak of.
  const named = /(?:^|: )([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*) is /.exec(message)?.[1];
  return named === undefined ? '' : `/${named.replaceAll('.', '/')}`;
}
