/** The programs of the images as they lie in /app, in a folder with no node_modules above it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { thirdPartyNotices } from '../../images/notices.ts';
import { readOptions, UsageError } from '../../images/options.ts';
import { images, programsOf, root } from '../../images/programs.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenantry-images-test-'));
const execute = promisify(execFile);

/** What a program prints and how it ends when it is started without any configuration. */
async function start(program: string, ...args: string[]): Promise<{ code: number; stderr: string }> {
  const failed = await execute(process.execPath, [join(folder, program), ...args], { env: {}, cwd: '/' }).then(
    () => ({ code: 0, stderr: '' }),
    (error: { code: number; stderr: string }) => error,
  );
  return { code: failed.code, stderr: failed.stderr };
}

beforeAll(async () => {
  await execute(process.execPath, [join(root, 'images/build.ts'), '--output', folder]);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

test.each(images)('%s holds its programs, the licences of all it contains, and nothing that needs compiling', (image) => {
  for (const program of programsOf(image)) expect(existsSync(join(folder, image, program.replace(/ts$/, 'js')))).toBe(true);
  const files = readdirSync(join(folder, image), { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => /\.(ts|map|node)$/.test(file))).toEqual([]);
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'package.json']));
  expect(readFileSync(join(folder, image, 'THIRD-PARTY-NOTICES'), 'utf8')).toMatch(/^fastify-plugin \d|^zod \d/m);
});

test('every folder that the programs are made of is brought to the build', () => {
  const sources = ['operator', 'control-plane', 'templates', 'images'];
  const imported = sources
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(root, folder, file)))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(file), path)))
    .map((path) => relative(root, path).split('/')[0] ?? '');
  const folders = [...new Set([...sources, ...imported])].toSorted();
  const brought = [...readFileSync(join(root, 'Containerfile'), 'utf8').matchAll(/^COPY (\S+) \/\1$/gm)].map(([, folder]) => folder);
  const sent = [...readFileSync(join(root, '.containerignore'), 'utf8').matchAll(/^!([-a-z]+)$/gm)].map(([, folder]) => folder);
  expect(brought.toSorted()).toEqual(folders);
  expect(sent.toSorted()).toEqual(folders);
});

test('every stack of the checkout is in the image of tenants', () => {
  const stacks = readdirSync(join(root, 'templates')).filter((stack) => existsSync(join(root, 'templates', stack, 'template.yaml')));
  expect(stacks).toContain('toolbridge');
  expect(programsOf('tenant')).toEqual(['templates/main.ts', ...stacks.map((stack) => `templates/${stack}/program.ts`)]);
});

test('tenants do not carry the Kubernetes client', () => {
  const packagesOf = (image: string) => readFileSync(join(folder, image, 'THIRD-PARTY-NOTICES'), 'utf8');
  expect(packagesOf('operator')).toContain('@kubernetes/client-node');
  expect(packagesOf('tenant')).not.toContain('@kubernetes/client-node');
});

// Two bytes a letter for the whole file otherwise, in every process of every tenant.
test('all code is ASCII', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII begins there.
  expect(files.filter((file) => /[^\x00-\x7f]/.test(readFileSync(join(folder, file), 'utf8')))).toEqual([]);
});

describe('each program starts far enough to say what its configuration lacks', () => {
  test.each([
    ['operator/operator/main.js', [], 'TENANTRY_BASE_URL'],
    ['control-plane/control-plane/main.js', [], 'WORKOS_API_KEY'],
    ['tenant/templates/main.js', ['mcp'], 'TENANTRY_TENANT is not set'],
    ['tenant/templates/main.js', ['toolbridge', 'api'], 'HOST is not set'],
    ['tenant/templates/main.js', ['toolbridge', 'migrate'], 'DATABASE_URL is not set'],
    ['tenant/templates/main.js', ['nothing', 'api'], 'there is no stack named "nothing"'],
    ['tenant/templates/main.js', ['sidecar', 'mcp'], 'there is no stack named "sidecar"'],
    ['tenant/templates/main.js', ['../sidecar', 'mcp'], 'usage: main mcp | main <stack> <program>'],
  ])('%s %j', async (program, args, message) => {
    const { code, stderr } = await start(program, ...args);
    expect(stderr).toContain(message);
    expect(code).toBeGreaterThan(0);
  });
});

test('a program that is listed and missing fails the build by name', () => {
  expect(() => programsOf('operator', folder)).toThrow(/operator\/main\.ts/);
});

test('a package whose licence nobody has read is not put into an image', () => {
  const copyleft = join(folder, 'node_modules/copyleft');
  mkdirSync(copyleft, { recursive: true });
  writeFileSync(join(copyleft, 'package.json'), '{ "name": "copyleft", "version": "1.0.0", "license": "MPL-2.0" }');
  expect(() => thirdPartyNotices([join(copyleft, 'index.js')])).toThrow('copyleft@1.0.0 (MPL-2.0)');
});

describe('options', () => {
  test.each([
    [['--push'], /--registry/],
    [['--tag', 'a b'], /--tag/],
    [['--registry', 'https://registry.example.com'], /without a scheme/],
    [['--base', 'node', '--base-from-machine'], /one or the other/],
    [['--outptu', 'x'], /--help/],
  ])('%j is refused', (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(message);
  });

  test('several destinations, and the version as tag', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(readOptions(['--registry', 'registry.example.com:5000/x/', '--kind', 'dev', '--push'])).toMatchObject({
      tag: version,
      registry: 'registry.example.com:5000/x',
      destinations: [{ kind: 'kind', cluster: 'dev' }, { kind: 'push' }],
    });
  });
});
