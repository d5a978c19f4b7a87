import { stackPrograms } from '../api-kit/stack.ts';
import { entities } from './entities.ts';

export const stack = {
  title: 'Toolbridge',
  version: '1.0.0',
  description:
    'Notes, tasks, comments on them, chats and their messages. Deleted items stay readable with includeDeleted. ifMatch makes a change fail when the item has changed since it was read.',
  entities,
};

export const programs = stackPrograms(stack);
