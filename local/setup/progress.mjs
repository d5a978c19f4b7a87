// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';

/** A failure that the user can do something about. */
export class Trouble extends Error {
  /** @param {string} message what went wrong @param {string} remedy what to do */
  constructor(message, remedy) {
    super(message);
    this.name = 'Trouble';
    this.remedy = remedy;
  }
}

/**
 * @typedef {object} Progress
 * @property {(text: string) => void} say one line
 * @property {<T>(title: string, work: (detail: (text: string) => void) => Promise<T>) => Promise<T>} step
 *   shows that `work` goes on and how long it has taken
 */

/**
 * Lines of progress. A terminal gets one line that counts the seconds; anything else, such as a log, a line every 15 s.
 * @param {NodeJS.WriteStream} stream
 * @returns {Progress}
 */
export function consoleProgress(stream) {
  const live = stream.isTTY === true;
  return {
    say: (text) => void stream.write(`${text}\n`),
    async step(title, work) {
      const began = Date.now();
      let detail = '';
      const line = () => `  ${title}${detail === '' ? '' : `, ${detail}`} (${Math.round((Date.now() - began) / 1000)} s)`;
      const show = () => stream.write(live ? `\r\x1b[K${line()}` : `${line()} ...\n`);
      if (live) show();
      const timer = setInterval(show, live ? 1000 : 15_000);
      try {
        const result = await work((text) => {
          detail = text;
        });
        detail = 'done';
        stream.write(`${live ? '\r\x1b[K' : ''}${line()}\n`);
        return result;
      } catch (error) {
        if (live) stream.write('\n');
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/**
 * Progress that also writes its present step to a file, for processes that wait for this one.
 * @param {Progress} progress @param {string} file @returns {Progress}
 */
export function shared(progress, file) {
  const write = (/** @type {string} */ text) => {
    try {
      writeFileSync(file, text);
    } catch {
      // Those who wait see the time alone.
    }
  };
  return {
    say: progress.say,
    step: (title, work) =>
      progress.step(title, (detail) => {
        write(title);
        return work((text) => {
          write(`${title}, ${text}`);
          detail(text);
        });
      }),
  };
}

/**
 * Shows what another process has shared, until it has released its lock.
 * @param {Progress} progress @param {string} title @param {string} file @param {Promise<void>} released
 */
export function follow(progress, title, file, released) {
  return progress.step(title, async (detail) => {
    const look = () => {
      try {
        detail(readFileSync(file, 'utf8'));
      } catch {
        // It has not begun a step.
      }
    };
    look();
    const timer = setInterval(look, 500);
    await released;
    clearInterval(timer);
  });
}
