import { isInstalled, run, succeeds, Trouble } from './run.ts';

export interface Build {
  readonly file: string;
  readonly context: string;
  readonly target?: string;
  readonly name: string;
  readonly args?: Readonly<Record<string, string>>;
  /** Files that build steps may read and that end up in no layer. */
  readonly secrets?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Seconds since 1970 that the image and its files carry, so that the same sources give the same image. */
  readonly date: number;
}

/** A program that builds images. */
export interface Engine {
  readonly name: string;
  build(build: Build): Promise<void>;
  /** Writes an image as a docker archive. */
  save(image: string, file: string): Promise<void>;
  push(image: string): Promise<void>;
}

const engines = ['docker', 'podman', 'buildah'] as const;

/**
 * The first engine that works on this machine.
 * @throws Trouble when none works.
 */
export function findEngine(wanted: string | undefined): Engine {
  const candidates = wanted === undefined ? engines : engines.filter((name) => name === wanted);
  if (candidates.length === 0) throw new Trouble(`--engine ${wanted}: the engines are ${engines.join(', ')}`);
  const installed = candidates.filter(isInstalled);
  // A docker client without its daemon is common; `info` asks the daemon, or the storage.
  const name = installed.find((program) => succeeds(program, ['info']));
  if (name !== undefined) return name === 'buildah' ? new Buildah() : new Client(name);
  if (installed.length > 0) throw new Trouble(`${installed.join(' and ')} cannot be used: see what \`${installed[0]} info\` says.`);
  throw new Trouble(
    `Images are built by docker, podman or buildah, and ${wanted === undefined ? 'none of them is' : `${wanted} is not`} in PATH.\n` +
      'On Debian and Ubuntu: apt-get update && apt-get install -y --no-install-recommends buildah',
  );
}

function buildOptions({ file, target, name, args = {}, secrets = {}, labels = {} }: Build): string[] {
  return [
    ...['--file', file, '--tag', name],
    ...(target === undefined ? [] : ['--target', target]),
    ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    ...Object.entries(secrets).flatMap(([id, source]) => ['--secret', `id=${id},src=${source}`]),
    ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  ];
}

/** docker and podman. */
class Client implements Engine {
  readonly name: 'docker' | 'podman';

  constructor(name: 'docker' | 'podman') {
    this.name = name;
  }

  async build(build: Build): Promise<void> {
    const date = this.name === 'podman' ? ['--timestamp', String(build.date)] : [];
    const env = { DOCKER_BUILDKIT: '1', SOURCE_DATE_EPOCH: String(build.date) };
    await run(this.name, ['build', ...date, ...buildOptions(build), build.context], { env });
  }

  async save(image: string, file: string): Promise<void> {
    await run(this.name, ['save', ...(this.name === 'podman' ? ['--format', 'docker-archive'] : []), '--output', file, image]);
  }

  async push(image: string): Promise<void> {
    await run(this.name, ['push', image]);
  }
}

class Buildah implements Engine {
  readonly name = 'buildah';

  async build(build: Build): Promise<void> {
    // Isolation by chroot needs no container runtime, and works inside containers. Layers are what lets the three images share their build.
    const options = ['--isolation', 'chroot', '--layers', '--timestamp', String(build.date)];
    await run('buildah', ['build', ...options, ...buildOptions(build), build.context]);
  }

  async save(image: string, file: string): Promise<void> {
    await run('buildah', ['push', image, `docker-archive:${file}:${image}`]);
  }

  async push(image: string): Promise<void> {
    await run('buildah', ['push', image]);
  }
}
