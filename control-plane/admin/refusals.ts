import type { Fault } from '../../crds/parameters.ts';
import { escapePointer } from '../../json/pointer.ts';
import { KubeError } from '../../kube/errors.ts';
import { Problem } from '../../problems/problem.ts';
import { invalid } from '../http/problem.ts';

/** Faults that the CustomResourceDefinition found, as pointers into the body of the Admin API, which has the fields of the spec at the top. */
export function faultsOfRefusal(error: KubeError): Fault[] {
  if (error.causes.length === 0) return [{ pointer: '', message: error.message }];
  return error.causes.map(({ field, message }) => ({
    pointer: pointerOf(field ?? '', message),
    message: message.replace(/^Invalid value: /, ''),
  }));
}

/**
 * Turns a refusal of the API server into a Problem, and returns other errors unchanged. Our own checks have passed before. Rules of the custom
 * resource definition, such as immutability, are refused with 422, and invalid text with 400. A server-side apply names duplicates in its
 * message. Policies and webhooks of the cluster may refuse with any status.
 */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof KubeError)) return error;
  if (/^admission webhook .* denied the request|ValidatingAdmissionPolicy .* denied request/s.test(error.message))
    return new Problem('refused-by-cluster', `A policy of the cluster refuses the change: ${error.message}`, { cause: error });
  if (error.status === 403 && error.message.includes('resource "stacktemplates"'))
    return new Problem('refused-by-cluster', 'The control plane may not write templates in this installation.', {
      remedy: 'Apply the template with kubectl, or set admin.writeTemplates to true in the values of the chart.',
      cause: error,
    });
  if (error.reason === 'Invalid' || error.status === 400) return invalid(faultsOfRefusal(error));
  const [, field, key] = /: \.(spec[^:]*): duplicate entries for key \[(.*)\]$/.exec(error.message) ?? [];
  return field === undefined ? error : invalid([{ pointer: pointerOf(field, ''), message: `has more than one entry with ${key}` }]);
}

/** `spec.containers[api].env[0].name` -> `/containers/api/env/0/name`. */
function pointerOf(field: string, message: string): string {
  const path = field
    .replace(/\[(?:[a-z]+=)?"?([^\]"]*)"?\]/g, '.$1')
    .split('.')
    .filter((part) => part !== '' && part !== '<nil>');
  if (path[0] === 'metadata') path.shift();
  else if (path[0] === 'spec') path.shift();
  if (path.length > 0) return path.map((part) => `/${escapePointer(part)}`).join('');
  // Messages of rules over the whole spec begin with the name of the field.
  const named = /(?:^|: )([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*) is /.exec(message)?.[1];
  return named === undefined ? '' : `/${named.replaceAll('.', '/')}`;
}
