import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Folders and files whose prose has been edited. Each new one belongs here from its first commit. */
const edited = [
  'audit',
  'control-plane',
  'docs',
  // Its tables are still being edited.
  ':!docs/security.md',
  'charts',
  'kube',
  'json',
  'net',
  'images',
  'problems',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'README.md',
  'crds',
  'operator',
  'cli',
  'local',
];

/** Folders whose messages, descriptions and names of tests have been edited too. */
const editedTexts = [
  'audit',
  'control-plane',
  'crds',
  'json',
  'kube',
  'net',
  'problems',
  'test/chaos',
  'test/e2e',
  'test/integration/control-plane',
  'test/unit/control-plane',
];

/** Phrases that make a reader read a sentence twice, and what to write instead. */
const phrases: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  {
    pattern: /(?:^|[.:;!?] +|\/\/ +|\* +)(?:What|Who|Whoever|Whatever|Whose)\b(?![^.!]*\?)/,
    instead: 'begin with the subject, not with a clause as a noun',
  },
  { pattern: /\bto be had\b/, instead: 'available, found' },
  { pattern: /\b(?:is|are) (?:told|not told)\b/, instead: 'receives, is passed' },
  { pattern: /\banew\b/, instead: 'again' },
  { pattern: /\bfate of\b/, instead: 'deletion policy' },
  { pattern: /\bNobody (?:is there|tells|can tell)\b/, instead: 'say what was not found' },
  { pattern: /\bit is not said\b/i, instead: 'say what is missing' },
  { pattern: /\bWanted: /, instead: 'Requires' },
  { pattern: /\b(?:who|what)ever\b/i, instead: 'name the subject: a client that, every value that' },
  { pattern: /(?<!\b[Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|later\b)/, instead: 'is not a' },
  { pattern: /\bbecomes? of\b/, instead: 'happens to' },
  { pattern: /\bnobody (?:can tell|is told)\b/i, instead: 'say which lookup fails' },
];

/** Lines of prose: all of a Markdown file outside its code, and the comments of a program or of YAML. */
function proseOf(file: string, text: string): [line: number, prose: string][] {
  const lines = text.split('\n').map((line, index): [number, string] => [index + 1, line]);
  if (file.endsWith('.md')) {
    let code = false;
    return lines.filter(([, line]) => {
      if (/^ *```/.test(line)) code = !code;
      return !code && !/^(?: {4}|\t|#)/.test(line);
    });
  }
  const comments = /\.ya?ml$/.test(file) ? /(?:^|\s)#\s+(.*)$/ : /(?:^|\s)(?:\/\/|\/\*\*?|\*)\s+(.*)$/;
  return lines.flatMap(([number, line]) => {
    const comment = comments.exec(line)?.[1];
    return comment === undefined ? [] : [[number, comment] as [number, string]];
  });
}

/** Texts of several words in the quotes of a program: messages, descriptions, names of tests. */
function textsOf(text: string): [line: number, prose: string][] {
  return text.split('\n').flatMap((line, index) =>
    /^\s*(?:\*|\/\/|\/\*)/.test(line)
      ? []
      : [...line.matchAll(/'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\]|\\.)*)"/g)]
          .map(([, single, template, double]) => single ?? template ?? double ?? '')
          .filter((quoted) => / /.test(quoted))
          .map((quoted): [number, string] => [index + 1, quoted]),
  );
}

function filesIn(folders: readonly string[], kinds: RegExp): string[] {
  return execFileSync('git', ['ls-files', '--', ...folders], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((file) => kinds.test(file));
}

/** @returns a line for each text that has one of the phrases. */
function faultsIn(file: string, texts: (file: string, content: string) => [line: number, prose: string][]): string[] {
  return texts(file, readFileSync(join(root, file), 'utf8')).flatMap(([line, prose]) =>
    phrases.filter(({ pattern }) => pattern.test(prose)).map(({ instead }) => `${file}:${line}: ${prose.trim()} (${instead})`),
  );
}

test('edited prose has no phrase that has to be read twice', () => {
  expect(filesIn(edited, /\.(?:ts|mjs|md|ya?ml)$/).flatMap((file) => faultsIn(file, proseOf))).toEqual([]);
});

test('edited messages and names of tests have no phrase that has to be read twice', () => {
  expect(filesIn(editedTexts, /\.ts$/).flatMap((file) => faultsIn(file, (_file, content) => textsOf(content)))).toEqual([]);
});

test('the patterns find what they are for', () => {
  const wrong = [
    'What a tenant is made of.',
    'First. Who asks is known.',
    'It is not to be had.',
    'Nobody tells where it is.',
    'They are made anew.',
    'Wanted: Kubernetes 1.30',
    'Refused, whoever asks.',
    'A list is no object.',
    'Choose what becomes of the data.',
    'Then nobody can tell.',
  ];
  const right = ['Who may do what?', 'A tenant that was deleted.', 'Says what was found.', 'There is no object.', 'It is no longer there.'];
  const matches = (text: string): boolean => phrases.some(({ pattern }) => pattern.test(text));
  expect(wrong.filter((text) => !matches(text))).toEqual([]);
  expect(right.filter(matches)).toEqual([]);
});
