// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';

/** A failure that the user can fix. */
export class Trouble extends Error {
  /** @param {string} message the failure @param {string} remedy the instruction for the user */
  constructor(message, remedy) {
    super(message);
    this.name = 'Trouble';
    this.remedy = remedy;
  }
}

/**
 * @typedef {object} Progress
 * @property {(text: string) => void} say prints one line
 * @property {<T>(title: string, work: (detail: (text: string) => void) => Promise<T>) => Promise<T>} step
 *   shows that `work` is running, and for how long
 */

/**
 * Prints progress. A terminal gets one line that counts the seconds. Other outputs, such as a log, get a line every 15 s.
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
 * Progress that also writes its current step to a file, for processes that wait for this one.
 * @param {Progress} progress @param {string} file @returns {Progress}
 */
export function shared(progress, file) {
  const write = (/** @type {string} */ text) => {
    try {
      writeFileSync(file, text);
    } catch {
      // Without the file, waiting processes show only the time.
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
 * Shows the progress that another process shares, until that process releases its lock.
 * @param {Progress} progress @param {string} title @param {string} file @param {Promise<void>} released
 */
export function follow(progress, title, file, released) {
  return progress.step(title, async (detail) => {
    const look = () => {
      try {
        detail(readFileSync(file, 'utf8'));
      } catch {
        // The other process has not begun a step.
      }
    };
    look();
    const timer = setInterval(look, 500);
    await released;
    clearInterval(timer);
  });
}
