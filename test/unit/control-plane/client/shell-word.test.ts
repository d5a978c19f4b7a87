import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from '../../../../control-plane/client/shell-word.ts';

test.each(['/srv/tenantry/local.json', '/a b/c', "it's", '$HOME', '`id`', 'a"b', 'line\nbreak', ''])(
  '%j reaches a program as it is',
  (word) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word);
  },
);
