import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recheckMs, WatchedFile } from '../../../../../templates/sidecar/http/watched-file.ts';
import { clock } from '../../clock.ts';

describe('a watched file', () => {
  it('is read again when it changes, also behind a symbolic link, and is not trusted when it is gone', async () => {
    const { now, pass } = clock();
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-watched-'));
    // As Kubernetes mounts a Secret: the name is a link whose target is swapped.
    await writeFile(join(folder, 'one'), '1');
    await writeFile(join(folder, 'two'), '2');
    await symlink(join(folder, 'one'), join(folder, 'file'));
    let parsed = 0;
    const file = new WatchedFile(
      join(folder, 'file'),
      (text) => {
        parsed++;
        if (text === 'broken') throw new Error('broken');
        return Number(text);
      },
      now,
    );
    expect(await file.current()).toBe(1);
    pass(recheckMs);
    expect(await file.current()).toBe(1);
    expect(parsed).toBe(1);
    await symlink(join(folder, 'two'), join(folder, 'new'));
    await rename(join(folder, 'new'), join(folder, 'file'));
    expect(await file.current()).toBe(1);
    pass(recheckMs);
    expect(await file.current()).toBe(2);
    await writeFile(join(folder, 'two'), 'broken');
    pass(recheckMs);
    await expect(file.current()).rejects.toThrow('broken');
    await rm(join(folder, 'file'));
    pass(recheckMs);
    await expect(file.current()).rejects.toThrow(/ENOENT/);
    await writeFile(join(folder, 'file'), '3');
    pass(recheckMs);
    expect(await file.current()).toBe(3);
    await rm(folder, { recursive: true });
  });
});
