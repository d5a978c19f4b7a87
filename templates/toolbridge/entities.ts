import { z } from 'zod';
import type { Entity } from '../api-kit/entity.ts';

const text = (max: number) => z.string().max(max);
const title = z.string().min(1).max(500);
const tags = z.array(z.string().min(1).max(100)).max(100);
const uid = z.string().meta({ format: 'uuid' });
const flag = z.boolean().meta({ readOnly: true });
const moment = z.string().meta({ format: 'date-time', readOnly: true });
const leapYear = '(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)';
const dayOfMonth = '((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))';
/** Days that exist: no 31 February. */
const day = `(\\d{4}-${dayOfMonth}|${leapYear}-02-29)`;
const hour = '([01]\\d|2[0-3])';
const dateOrTime = new RegExp(`^${day}(T${hour}:[0-5]\\d(:[0-5]\\d(\\.\\d+)?)?(Z|[+-]${hour}:[0-5]\\d))?$`);

/** The contents of notes and messages; with the 1 MiB of a body, no single item is too large for an answer. */
const contentLength = 200_000;

export const note: Entity = {
  name: 'note',
  service: 'notes',
  plural: 'notes',
  payload: z.looseObject({
    title,
    content: text(contentLength).optional(),
    tags: tags.optional(),
    pinned: flag.optional(),
  }),
  example: { title: 'Kick-off', content: 'Agreed on the scope.', tags: ['meeting'] },
  actions: {
    pin: (payload) => ({ payload: { ...payload, pinned: true } }),
    unpin: (payload) => ({ payload: { ...payload, pinned: false } }),
    archive: () => ({ archived: true }),
    unarchive: () => ({ archived: false }),
  },
};

export const task: Entity = {
  name: 'task',
  service: 'tasks',
  plural: 'tasks',
  payload: z.looseObject({
    title,
    description: text(contentLength).optional(),
    status: z.enum(['todo', 'in_progress', 'done']).default('todo'),
    priority: z.enum(['low', 'medium', 'high']).optional(),
    dueDate: z.string().regex(dateOrTime).describe('a date such as 2027-01-31 or a time such as 2027-01-31T09:00:00Z').optional(),
    tags: tags.optional(),
    parentUid: uid.describe('Parent task').optional(),
  }),
  example: { title: 'Write the report', status: 'todo', priority: 'high', dueDate: '2027-01-31' },
  reference: ({ parentUid }) => (typeof parentUid === 'string' ? { entity: 'task', uid: parentUid, pointer: '/parentUid' } : undefined),
  actions: {
    start: (payload) => ({ payload: { ...payload, status: 'in_progress' } }),
    complete: (payload) => ({ payload: { ...payload, status: 'done' } }),
    reopen: (payload) => ({ payload: { ...payload, status: 'todo' } }),
  },
};

const resolution: Entity['actions'] = {
  resolve: (payload) => ({ payload: { ...payload, resolved: true } }),
  reopen: (payload) => ({ payload: { ...payload, resolved: false } }),
};

export const comment: Entity = {
  name: 'comment',
  service: 'comments',
  plural: 'comments',
  payload: z.looseObject({
    content: z.string().min(1).max(contentLength),
    parentType: z.enum(['note', 'task']),
    parentUid: uid,
    resolved: flag.optional(),
  }),
  example: { content: 'Looks good to me.', parentType: 'note', parentUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f' },
  reference: ({ parentType, parentUid }) => ({ entity: String(parentType), uid: String(parentUid), pointer: '/parentUid' }),
  actions: resolution,
};

export const chat: Entity = {
  name: 'chat',
  service: 'chats',
  plural: 'chats',
  payload: z.looseObject({
    title,
    participants: z.array(z.string().min(1).max(200)).max(1000).optional(),
    resolved: flag.optional(),
  }),
  example: { title: 'Launch', participants: ['ada', 'grace'] },
  actions: resolution,
};

export const chatMessage: Entity = {
  name: 'chat_message',
  service: 'chats',
  plural: 'chat_messages',
  payload: z.looseObject({
    chatUid: uid,
    content: z.string().min(1).max(contentLength),
    sender: z.string().max(200).optional(),
    deliveredAt: moment.optional(),
    readAt: moment.optional(),
  }),
  example: { chatUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f', content: 'We are live.', sender: 'ada' },
  reference: ({ chatUid }) => ({ entity: 'chat', uid: String(chatUid), pointer: '/chatUid' }),
  actions: {
    mark_read: (payload, now) => ({
      payload: { ...payload, deliveredAt: payload['deliveredAt'] ?? now.toISOString(), readAt: payload['readAt'] ?? now.toISOString() },
    }),
    mark_delivered: (payload, now) => ({ payload: { ...payload, deliveredAt: payload['deliveredAt'] ?? now.toISOString() } }),
  },
};

export const entities: readonly Entity[] = [note, task, comment, chat, chatMessage];
