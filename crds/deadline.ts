import { createContext, Script } from 'node:vm';

const holder: { task?: () => unknown } = {};
const context = createContext(holder);
const run = new Script('task()');

/** Runs a synchronous `task` and ends it after `milliseconds`. @throws the error of the task, or Error at the time limit */
export function within<T>(milliseconds: number, task: () => T): T {
  holder.task = task;
  try {
    return run.runInContext(context, { timeout: milliseconds }) as T;
  } finally {
    delete holder.task;
  }
}
