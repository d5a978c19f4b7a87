import { mergePatch } from '../../json/merge-patch.ts';
import { isObject } from '../../json/object.ts';
import { escapePointer } from '../../json/pointer.ts';
import type { Code } from '../../problems/catalogue.ts';
import { Problem, type ProblemError } from '../../problems/problem.ts';
import type { JsonSchema } from '../runtime/json-schema.ts';
import type { Database } from './database.ts';
import { type Entity, nameInWords, type Reference } from './entity.ts';
import type { Change, Item, ItemStore, Write } from './item-store.ts';
import type { Operation, OperationAnswer, OperationRequest } from './operation.ts';
import { type Payload, unstorable } from './payload.ts';
import { type EntitySchemas, envelope, uidSchema } from './schemas.ts';

export interface ItemOperationsOptions {
  readonly entity: Entity;
  readonly schemas: EntitySchemas;
  readonly store: ItemStore;
  /** Whether a live item of another entity exists, asked on the given connection, if any. */
  readonly exists: (entity: string, uid: string, on?: Database) => Promise<boolean>;
  /** Throws Problem invalid where a whole payload breaks its schema. */
  readonly check: (payload: Payload) => void;
  /** Items a page has when the caller does not say. */
  readonly defaultPageSize: number;
  readonly clock: () => Date;
}

export const maxPageSize = 1000;

/** The eight operations of an entity. */
export function itemOperations(options: ItemOperationsOptions): Operation[] {
  const { entity, schemas, store, clock } = options;
  const { name, plural } = entity;
  const words = nameInWords(entity);
  const many = plural.replaceAll('_', ' ');
  const collection = `/v1/${plural}`;
  const one = `${collection}/{uid}`;
  const actions = Object.keys(entity.actions);
  const parameters = { uid: uidSchema };
  const headers: Record<string, JsonSchema> = {
    'If-Match': { type: 'integer', minimum: 1, description: 'Version last read' },
  };
  const item = { status: 200, description: `The ${words}.`, schema: `${name}_item` } as const;
  const written: Code[] = ['malformed-request', 'item-not-found', 'version-mismatch', 'item-deleted'];

  const write = (request: OperationRequest): Write => ({
    subject: request.caller.subject,
    now: clock(),
    expectedVersion: expectedVersion(request.headers['if-match']),
  });
  const uidOf = (request: OperationRequest) => request.path['uid'] ?? '';

  /** Payload to store: what was sent, with the fields that only actions set as they were. */
  const admit = async (sent: unknown, current?: Item, on?: Database): Promise<Change & { payload: Payload }> => {
    const payload: Record<string, unknown> = isObject(sent) ? { ...sent } : {};
    for (const field of schemas.managed) {
      delete payload[field];
      if (current?.payload[field] !== undefined) payload[field] = current.payload[field];
    }
    const fault = unstorable(payload);
    if (fault !== undefined) throw new Problem('invalid', `${fault.pointer} ${fault.detail}.`, { errors: [fault] });
    options.check(payload);
    const reference = await newReference(options, payload, current, on);
    return { payload, ...(current && reference?.entity === name && { parent: reference }) };
  };

  return [
    {
      operationId: `list_${plural}`,
      method: 'GET',
      path: collection,
      tag: entity.service,
      title: `List ${many}`,
      description: `List ${many}, oldest first.`,
      parameters: {},
      query: {
        limit: { type: 'integer', minimum: 1, maximum: maxPageSize, default: options.defaultPageSize },
        cursor: { type: 'string', description: 'nextCursor of the previous page' },
        includeDeleted: { type: 'boolean' },
      },
      answer: { status: 200, description: `A page of ${many}.`, schema: `${name}_page` },
      problems: ['malformed-request'],
      handle: async ({ query }) => ({
        body: await store.list({
          limit: Number(query['limit'] ?? options.defaultPageSize),
          cursor: typeof query['cursor'] === 'string' ? query['cursor'] : undefined,
          includeDeleted: query['includeDeleted'] === true,
        }),
      }),
    },
    {
      operationId: `get_${name}`,
      method: 'GET',
      path: one,
      tag: entity.service,
      title: `Get ${words}`,
      description: `Read one ${words}.`,
      parameters,
      query: { includeDeleted: { type: 'boolean' } },
      answer: item,
      problems: ['malformed-request', 'item-not-found', 'item-deleted'],
      handle: async (request) => answerOf(await store.get(uidOf(request), request.query['includeDeleted'] === true)),
    },
    {
      operationId: `create_${name}`,
      method: 'POST',
      path: collection,
      tag: entity.service,
      title: `Create ${words}`,
      description: `Create a ${words}. Further fields are stored as given.`,
      parameters: {},
      body: { schema: schemas.payload, example: entity.example },
      answer: { ...item, status: 201 },
      problems: ['malformed-request', 'invalid'],
      handle: async (request) => {
        refuseFields(envelopeFaults(request.body));
        const { payload } = await admit(request.body);
        const created = await store.create(payload, write(request));
        const answer = answerOf(created);
        // Relative to the collection's own URL, which is another one when the sidecar publishes the API.
        return { ...answer, headers: { ...answer.headers, location: `${plural}/${created.uid}` } };
      },
    },
    {
      operationId: `update_${name}`,
      method: 'PUT',
      path: one,
      tag: entity.service,
      title: `Update ${words}`,
      description: `Replace a ${words}; omitted fields are removed or reset.`,
      parameters,
      headers,
      body: { schema: schemas.payload, example: entity.example },
      answer: item,
      problems: [...written, 'invalid'],
      handle: async (request) => {
        refuseFields(envelopeFaults(request.body));
        return answerOf(await store.change(uidOf(request), write(request), (current, { db }) => admit(request.body, current, db)));
      },
    },
    {
      operationId: `patch_${name}`,
      method: 'PATCH',
      path: one,
      tag: entity.service,
      title: `Patch ${words}`,
      description: `Change given fields of a ${words}; null removes one.`,
      parameters,
      headers,
      body: { schema: schemas.patch, types: ['application/merge-patch+json', 'application/json'] },
      answer: item,
      problems: [...written, 'invalid'],
      handle: async (request) => {
        refuseFields(envelopeFaults(request.body));
        const empty = Object.keys(request.body ?? {}).every((field) => schemas.managed.includes(field));
        return answerOf(
          await store.change(uidOf(request), write(request), (current, { db }) =>
            empty ? undefined : admit(mergePatch(current.payload, request.body), current, db),
          ),
        );
      },
    },
    {
      operationId: `delete_${name}`,
      method: 'DELETE',
      path: one,
      tag: entity.service,
      title: `Delete ${words}`,
      description: `Delete a ${words}.`,
      parameters,
      headers,
      answer: { ...item, description: `The ${words}, deleted.` },
      problems: written,
      handle: async (request) => answerOf(await store.change(uidOf(request), write(request), (_, { now }) => ({ deletedAt: now }))),
    },
    {
      operationId: `archive_${name}`,
      method: 'POST',
      path: `${one}/archive`,
      tag: entity.service,
      title: `Archive ${words}`,
      description: `Archive a ${words}.`,
      parameters,
      headers,
      answer: item,
      problems: written,
      handle: async (request) =>
        answerOf(
          await store.change(uidOf(request), write(request), (current, { now }) => ({
            archivedAt: current.archivedAt === undefined ? now : new Date(current.archivedAt),
          })),
        ),
    },
    {
      operationId: `process_${name}`,
      method: 'POST',
      path: `${one}/process`,
      tag: entity.service,
      title: `Process ${words}`,
      description: `Act on a ${words}.`,
      parameters,
      headers,
      body: {
        schema: {
          type: 'object',
          properties: { action: { type: 'string', enum: actions } },
          required: ['action'],
          additionalProperties: false,
        },
        example: { action: actions[0] },
        checkedByHandler: true,
      },
      answer: item,
      problems: ['unknown-action', ...written, 'invalid'],
      handle: async (request) => {
        const action = actionOf(entity, request.body);
        refuseFields(surplusFaults(request.body, ['action']));
        return answerOf(
          await store.change(uidOf(request), write(request), (current, { now }) => {
            const { payload, archived } = action(current.payload, now);
            return { ...(payload && { payload }), ...(archived !== undefined && { archivedAt: archived ? now : null }) };
          }),
        );
      },
    },
  ];
}

function answerOf(item: Item): OperationAnswer {
  return { body: item, headers: { etag: `"${item.version}"` } };
}

/** The version in If-Match, as an entity tag or as the bare number; undefined for none and for `*`. */
function expectedVersion(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '*') return undefined;
  const version = typeof header === 'string' ? /^(?:"([1-9]\d{0,9})"|([1-9]\d{0,9}))$/.exec(header) : null;
  if (version === null) {
    throw new Problem('malformed-request', 'If-Match must be the version of the item as last read, such as "3".', {
      errors: [{ parameter: 'If-Match', detail: 'must be a version such as "3"' }],
    });
  }
  return Number(version[1] ?? version[2]);
}

function actionOf(entity: Entity, body: unknown) {
  const name = isObject(body) ? body['action'] : undefined;
  const action = typeof name === 'string' && Object.hasOwn(entity.actions, name) ? entity.actions[name] : undefined;
  if (action !== undefined) return action;
  const allowed = Object.keys(entity.actions);
  const list = allowed.join(', ');
  throw new Problem('unknown-action', `The action of a ${nameInWords(entity)} must be one of: ${list}.`, {
    errors: [{ pointer: '/action', detail: `must be one of ${list}` }],
    extensions: { allowedActions: allowed },
  });
}

/** Stored among the fields, these would contradict the item's own. */
function envelopeFaults(body: unknown): ProblemError[] {
  const sent = isObject(body) ? body : {};
  return envelope
    .filter((field) => Object.hasOwn(sent, field))
    .map((field) => ({ pointer: `/${field}`, detail: `is set by the server${envelopeHints[field] ?? ''}` }));
}

const envelopeHints: Readonly<Record<string, string>> = {
  version: '; the version last read goes into ifMatch (in HTTP the header If-Match)',
  payload: '; give its fields without payload around them',
};

function surplusFaults(body: unknown, known: readonly string[]): ProblemError[] {
  return Object.keys(isObject(body) ? body : {})
    .filter((field) => !known.includes(field))
    .slice(0, 20)
    .map((field) => ({ pointer: `/${escapePointer(field)}`, detail: 'is not known here' }));
}

function refuseFields(faults: readonly ProblemError[]): void {
  if (faults.length === 0) return;
  throw new Problem('invalid', `${faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}.`, {
    errors: faults,
  });
}

/** The reference a payload adds or changes. It is checked only at that time: an item outlives the item it refers to. */
async function newReference(
  options: ItemOperationsOptions,
  payload: Payload,
  current: Item | undefined,
  on: Database | undefined,
): Promise<Reference | undefined> {
  const { entity, exists } = options;
  const reference = entity.reference?.(payload);
  if (reference === undefined) return undefined;
  const before = current && entity.reference?.(current.payload);
  if (before?.entity === reference.entity && before.uid === reference.uid) return undefined;
  const itself = reference.entity === entity.name && reference.uid.toLowerCase() === current?.uid;
  if (!itself && (await exists(reference.entity, reference.uid, on))) return reference;
  const detail = itself ? 'refers to the item itself' : `refers to no existing ${reference.entity.replaceAll('_', ' ')}`;
  throw new Problem('invalid', `${reference.pointer} ${detail}.`, {
    errors: [{ pointer: reference.pointer, detail }],
  });
}
