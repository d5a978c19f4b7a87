import { randomBytes } from 'node:crypto';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { annotate, markOf, type Rotation } from './rotation.ts';
import type { SecretContents, StoredSecret, Values } from './stored-secret.ts';

type Wanted = NonNullable<StackTemplateSpec['secrets']>;

/**
 * The secrets that a template declares. A rotation adds a new key to each, `<name>.<rotation>`, for new pods. The old key stays for the
 * pods that were made with it. A mounted file must not change under a running pod, because it would differ from the value that its API was
 * started with.
 */
export function wantedSecrets(found: StoredSecret | undefined, wanted: Wanted, { current }: Rotation): SecretContents {
  const values = found?.values ?? {};
  const mark = markOf(found);
  const keys = keysOf(found, wanted);
  const present = Object.fromEntries(
    wanted.map(({ name, bytes }): [string, string] => [keys[name] ?? name, values[keys[name] ?? name] ?? fresh(bytes)]),
  );
  if (!found || !current || mark.id === current.id) return { values: present };
  const previous = Object.keys(present);
  const outlived = (mark.previous ?? []).filter((key) => !previous.includes(key));
  return {
    values: {
      ...Object.fromEntries(outlived.map((key) => [key, null])),
      ...present,
      ...Object.fromEntries(wanted.map(({ name, bytes }) => [`${name}.${current.id}`, fresh(bytes)])),
    },
    annotations: annotate({ id: current.id, previous }),
  };
}

/** Keys of the template's secrets in the Secret, by name of the secret. */
export function keysOf(found: StoredSecret | undefined, wanted: Wanted): Values {
  const { id } = markOf(found);
  return Object.fromEntries(
    wanted.map(({ name }) => {
      const rotated = `${name}.${id}`;
      return [name, id !== undefined && found?.values[rotated] !== undefined ? rotated : name];
    }),
  );
}

/** The contents without the replaced values. */
export function withoutPrevious(found: StoredSecret): SecretContents {
  const { previous, ...mark } = markOf(found);
  if (!previous) return { values: {} };
  return { values: Object.fromEntries(previous.map((key) => [key, null])), annotations: annotate(mark) };
}

const fresh = (bytes: number | undefined): string => randomBytes(bytes ?? 32).toString('base64url');
