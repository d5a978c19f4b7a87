import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Folders and files whose prose has been edited. Each new one belongs here from its first commit. */
const edited = [
  'audit',
  'control-plane',
  'docs/reference/admin-api.md',
  'docs/reference/audit.md',
  'kube',
  'images',
  'problems',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'README.md',
  'docs/security.md',
  'docs/benchmarks.md',
  'docs/guides',
  'docs/workos-notes.md',
  'crds',
  'operator',
  'cli',
  'local',
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
];

/** Lines of prose: all of a Markdown file outside its code, and the comments of a program. */
function proseOf(file: string, text: string): [line: number, prose: string][] {
  const lines = text.split('\n').map((line, index): [number, string] => [index + 1, line]);
  if (file.endsWith('.md')) {
    let code = false;
    return lines.filter(([, line]) => {
      if (/^ *```/.test(line)) code = !code;
      return !code && !/^(?: {4}|\t|#)/.test(line);
    });
  }
  return lines.flatMap(([number, line]) => {
    const comment = /(?:^|\s)(?:\/\/|\/\*\*?|\*)\s+(.*)$/.exec(line)?.[1];
    return comment === undefined ? [] : [[number, comment] as [number, string]];
  });
}

test('edited prose has no phrase that has to be read twice', () => {
  const files = execFileSync('git', ['ls-files', '--', ...edited], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((file) => /\.(?:ts|mjs|md)$/.test(file));
  const found = files.flatMap((file) =>
    proseOf(file, readFileSync(join(root, file), 'utf8')).flatMap(([line, prose]) =>
      phrases.filter(({ pattern }) => pattern.test(prose)).map(({ instead }) => `${file}:${line}: ${prose.trim()} (${instead})`),
    ),
  );
  expect(found).toEqual([]);
});

test('the patterns find what they are for', () => {
  const wrong = [
    'What a tenant is made of.',
    'First. Who asks is known.',
    'It is not to be had.',
    'Nobody tells where it is.',
    'They are made anew.',
    'Wanted: Kubernetes 1.30',
  ];
  const right = ['Who may do what?', 'A tenant that was deleted.', 'Says what was found.'];
  const matches = (text: string): boolean => phrases.some(({ pattern }) => pattern.test(text));
  expect(wrong.filter((text) => !matches(text))).toEqual([]);
  expect(right.filter(matches)).toEqual([]);
});
