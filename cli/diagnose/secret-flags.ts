const flag = /^--?([a-z][\w.-]*)(=|$)/i;
const secret =
  /pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|authorization|connection[-_]?string|dsn/i;
/** What tells of a secret, such as where it lies or how long it holds, but not the secret. */
const about = /(?:name|ref|path|file|dir|policy|seconds|ttl|type|stdin)$/i;
/** Longer words are no flags. */
const maximumFlag = 200;

/** Where a word of a command line gives a secret: in the `next` word, as after `--password`, or in the `same`, as in `--password=x`. */
export function secretInFlag(word: string): 'next' | 'same' | undefined {
  const [, name = '', separator] = flag.exec(word.slice(0, maximumFlag)) ?? [];
  if (!isSecretFlag(name)) return undefined;
  return separator === '=' ? 'same' : 'next';
}

/** Whether a flag of this name, without its hyphens, gives a secret. */
export function isSecretFlag(name: string): boolean {
  return name.length <= maximumFlag && secret.test(name) && !about.test(name);
}
