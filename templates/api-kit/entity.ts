import type { z } from 'zod';
import type { Payload } from './payload.ts';

/** The changes an action of `process` makes; other fields stay. */
export interface ActionResult {
  readonly payload?: Payload;
  readonly archived?: boolean;
}

/** One action of `process`: pure, from the payload as it is to what becomes of it. */
export type Action = (payload: Payload, now: Date) => ActionResult;

/** A reference of a payload to another item, which must exist when the reference is made. */
export interface Reference {
  /** Name of the entity referred to. */
  readonly entity: string;
  readonly uid: string;
  /** JSON pointer of the reference in the payload. */
  readonly pointer: string;
}

/** A kind of item: its payload, what it refers to and what `process` can do with it. Everything else is the same for all. */
export interface Entity {
  /** Singular, as in operation ids and in the database: `chat_message`. */
  readonly name: string;
  /** Switch of the template that it belongs to, and tag of its operations: `chats`. */
  readonly service: string;
  /** As in the list operation and in paths: `chat_messages`. */
  readonly plural: string;
  /**
   * Known fields of the payload; a loose object, since more are allowed. Fields with `readOnly` in their metadata are set by actions
   * alone: in requests they are ignored.
   */
  readonly payload: z.ZodObject;
  /** A payload as an example for the API's document. */
  readonly example: Payload;
  readonly reference?: (payload: Payload) => Reference | undefined;
  readonly actions: Readonly<Record<string, Action>>;
}

/** The entity's name in sentences: `chat message`. */
export function nameInWords(entity: Entity): string {
  return entity.name.replaceAll('_', ' ');
}
