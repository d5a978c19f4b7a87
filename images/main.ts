/** `npm run images`: builds the images and delivers them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { archive, checkDestinations, deliver, sizeOf } from './deliver.ts';
import { type Build, findEngine } from './engine.ts';
import { buildMachineBases } from './machine-base.ts';
import { help, type Options, readOptions, UsageError } from './options.ts';
import { type Image, images, root } from './programs.ts';
import { Trouble } from './run.ts';

const start = performance.now();
const tell = (line: string): void => console.log(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${line}`);

/** npm's registry and the trusted certificate authorities. Build steps read them; no image keeps them. */
function npmAccess() {
  const npmrc = process.env['NPM_CONFIG_USERCONFIG'] ?? join(homedir(), '.npmrc');
  const authorities = process.env['NODE_EXTRA_CA_CERTS'];
  return {
    args: { ...(authorities !== undefined && { NODE_EXTRA_CA_CERTS: '/run/secrets/ca' }) },
    secrets: { ...(existsSync(npmrc) && { npmrc }), ...(authorities !== undefined && { ca: authorities }) },
  };
}

/** The version, revision and date of the sources, as far as they are known. */
function provenance(): { date: number; labels: Record<string, string> } {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : undefined;
  };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const revision = git('rev-parse', 'HEAD');
  return {
    date: Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? 0),
    labels: {
      'org.opencontainers.image.version': version,
      ...(revision !== undefined && { 'org.opencontainers.image.revision': revision }),
    },
  };
}

/** Messages by which engines say that an image cannot be pulled. */
const unreachable = /pinging container registry|failed to resolve source metadata|unable to copy from source|i\/o timeout|no such host/;
const closedNetwork =
  'Where the public registry cannot be reached, name images that can be: --base <image with Node.js 24> --build-base <image with npm as well>.\n' +
  'With --base-from-machine both are made from this machine, and no registry is needed.';

async function build(options: Options, scratch: string): Promise<void> {
  checkDestinations(options.destinations);
  const engine = findEngine(options.engine);
  tell(`building with ${engine.name}`);
  const bases = options.baseFromMachine ? await buildMachineBases(engine, scratch) : options;
  const access = npmAccess();
  const common: Omit<Build, 'name' | 'target'> = {
    file: join(root, 'Containerfile'),
    context: root,
    args: {
      ...access.args,
      ...(bases.base !== undefined && { BASE_IMAGE: bases.base }),
      ...(bases.buildBase !== undefined && { BUILD_IMAGE: bases.buildBase }),
    },
    secrets: access.secrets,
    ...provenance(),
  };
  // The full name that containerd uses; Kubernetes expands a short name to it.
  const name = (image: Image) => `${options.registry ?? 'docker.io'}/tenantry/${image}:${options.tag}`;
  // One after another: the first build compiles for all three.
  for (const image of images) {
    await engine.build({ ...common, target: image, name: name(image) }).catch((error: unknown) => {
      throw error instanceof Trouble && unreachable.test(error.message) ? new Trouble(`${error.message}\n\n${closedNetwork}`) : error;
    });
    tell(`built ${name(image)}`);
  }
  if (options.destinations.length === 0) return;
  const output = options.destinations.find((destination) => destination.kind === 'archives');
  const folder = output === undefined ? scratch : resolve(output.folder);
  await Promise.all(
    images.map(async (image) => {
      const file = join(folder, `${image}.tar`);
      await archive(engine, name(image), file);
      const size = await sizeOf(file, options.sizes);
      for (const destination of options.destinations) {
        tell(`${image} (${size}): ${await deliver(destination, name(image), file, engine)}`);
      }
    }),
  );
}

let scratch: string | undefined;
try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(help);
  else {
    const folder = mkdtempSync(join(tmpdir(), 'tenantry-images-'));
    scratch = folder;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        rmSync(folder, { recursive: true, force: true });
        process.exit(1);
      });
    }
    await build(options, folder);
  }
} catch (error) {
  const expected = error instanceof Trouble || error instanceof UsageError;
  process.stderr.write(`${expected ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
} finally {
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
}
