import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Engine } from './engine.ts';
import { isInstalled, Trouble } from './run.ts';

/** Paths at which Linux distributions keep their trusted certificate authorities. */
const certificates = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem'];

/**
 * Builds a base image and a build image from this machine's own files. Names and dates are the same in every run, so that the engine
 * can reuse its cached layers.
 */
export async function buildMachineBases(engine: Engine, scratch: string): Promise<{ base: string; buildBase: string }> {
  const name = (image: string) => `localhost/tenantry-${image}-of-this-machine:${process.versions.node}`;
  const context = join(scratch, 'root');
  const file = join(scratch, 'root.containerfile');
  writeFileSync(file, 'FROM scratch\nCOPY . /\n');
  writeMachineBase(context);
  await engine.build({ file, context, name: name('base'), date: 0 });
  addNpm(context);
  await engine.build({ file, context, name: name('build'), date: 0 });
  rmSync(context, { recursive: true });
  return { base: name('base'), buildBase: name('build') };
}

/**
 * The files of a minimal image: the running Node.js, its libraries, the user names and this machine's trusted certificate authorities.
 * For machines that cannot reach an image registry.
 */
function writeMachineBase(folder: string): void {
  if (process.platform !== 'linux')
    throw new Trouble(`--base-from-machine copies programs of Linux, and this is ${process.platform}: give --base.`);
  if (Number(process.versions.node.split('.')[0]) < 24) {
    throw new Trouble(
      `--base-from-machine copies the Node.js that runs this, ${process.versions.node}, and 24 is needed: run it by npm, after npm ci.`,
    );
  }
  const node = realpathSync(process.execPath);
  put(node, join(folder, 'usr/local/bin/node'), 0o755);
  for (const library of librariesOf(node)) put(library, join(folder, library), 0o755);
  const authorities = certificates.find((file) => existsSync(file));
  if (authorities !== undefined) put(authorities, join(folder, 'etc/ssl/certs/ca-certificates.crt'), 0o644);
  write(join(folder, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n');
  write(join(folder, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  write(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  mkdirSync(join(folder, 'tmp'));
  chmodSync(join(folder, 'tmp'), 0o1777);
}

/** Adds this machine's npm, for the build image. */
function addNpm(folder: string): void {
  const npm = join(folder, 'usr/local/lib/node_modules/npm');
  cpSync(npmFolder(), npm, { recursive: true, dereference: true, filter: (path) => !/\/npm\/(docs|man)$/.test(path) });
  const program = join(folder, 'usr/local/bin/npm');
  // npm's first line needs `env`, which the image does not have.
  write(program, `#!/usr/local/bin/node\nrequire('/usr/local/lib/node_modules/npm/lib/cli.js')(process);\n`);
  chmodSync(program, 0o755);
}

/** Paths by which the loader finds the libraries; the real files may have other names. */
function librariesOf(program: string): string[] {
  if (!isInstalled('ldd')) throw new Trouble('--base-from-machine asks ldd for the libraries of Node.js, and there is no ldd in PATH.');
  const output = execFileSync('ldd', [program], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' } });
  if (output.includes('not found')) throw new Trouble(`Libraries of ${program} are missing:\n${output}`);
  const libraries = [...output.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  // The rest of the C library: it opens the first three to look up host names, and native modules such as the bundler's need librt.
  const c = dirname(libraries.find((library) => basename(library).startsWith('libc.')) ?? '/lib/libc');
  const companions = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2', 'librt.so.1'].map((name) => join(c, name));
  return [...new Set([...libraries, ...companions.filter((library) => existsSync(library))])];
}

function npmFolder(): string {
  // `npm run` sets npm_execpath.
  const cli = process.env['npm_execpath'] ?? execFileSync('sh', ['-c', 'command -v npm || true'], { encoding: 'utf8' }).trim();
  const folder = cli === '' ? '' : join(dirname(realpathSync(cli)), '..');
  if (!existsSync(join(folder, 'lib/cli.js')))
    throw new Trouble('--base-from-machine copies npm, which was not found: start this with `npm run images`.');
  return folder;
}

function put(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
