import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateApiKey } from '../../crds/api-keys.ts';
import { secretsIn } from '../log-watch.ts';

test('secrets are found in logs, by value and by form, and are not repeated', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-logs-'));
  try {
    mkdirSync(join(folder, 'pods'));
    const password = 'aVeryLongPassword123';
    const key = generateApiKey();
    const token = `eyJ${'a'.repeat(20)}.eyJ${'b'.repeat(20)}.${'c'.repeat(43)}`;
    writeFileSync(join(folder, 'clean.log'), '{"msg":"tnt_ and sk_test_ alone are no secrets","key":"tnt_0123456789AB"}\n');
    writeFileSync(join(folder, 'operator.log'), `{"password":"${password}"}\n`);
    writeFileSync(join(folder, 'pods/api.log'), `got ${key}\nand Bearer ${token}\npostgres://a:${'x'.repeat(12)}@host/db`);
    writeFileSync(join(folder, 'state.json'), password);
    const found = secretsIn(folder, new Map([[password, 'password of tenant-a/x']]));
    expect(found).toEqual([
      'operator.log has password of tenant-a/x',
      'pods/api.log has a URL with a password',
      'pods/api.log has a token',
      'pods/api.log has an API key',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
