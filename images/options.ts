import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './programs.ts';

/** Where images go when they are built; without any, they stay with what built them. */
export type Destination =
  | { readonly kind: 'archives'; readonly folder: string }
  | { readonly kind: 'kind'; readonly cluster: string }
  | { readonly kind: 'containerd'; readonly address: string }
  | { readonly kind: 'push' };

export interface Options {
  readonly tag: string;
  /** Registry and path before `tenantry/<image>`. */
  readonly registry: string | undefined;
  readonly base: string | undefined;
  readonly buildBase: string | undefined;
  readonly baseFromMachine: boolean;
  readonly engine: string | undefined;
  /** Whether to measure how large images are compressed. */
  readonly sizes: boolean;
  readonly destinations: readonly Destination[];
}

export class UsageError extends Error {}

export const help = `npm run images -- [options]

Builds tenantry/operator, tenantry/control-plane and tenantry/tenant with docker, podman or buildah, whichever is there first.

  --tag <tag>             tag of the images; the version in package.json when left out
  --registry <prefix>     registry and path before tenantry/..., for example registry.example.com/platform
  --base <image>          image with Node.js 24 that ours are built on, instead of the public one
  --build-base <image>    image with Node.js 24 and npm that compiles, instead of the public one
  --base-from-machine     makes both from Node.js, npm and the C library of this machine: no registry of images is needed
  --engine <name>         docker, podman or buildah
  --sizes                 says how large the images are compressed, as registries keep them; takes a few seconds

Where the images go; several may be given, and without any they stay with the engine:
  --output <folder>       writes <folder>/<image>.tar, which docker, podman, kind and containerd load
  --kind <cluster>        loads them into the kind cluster of that name
  --containerd <address>  imports them for Kubernetes into the containerd behind that socket, for example /run/containerd/containerd.sock
  --push                  pushes them to the registry

npm's registry and credentials come from ~/.npmrc, additional certificate authorities from NODE_EXTRA_CA_CERTS; neither stays in an image.
`;

/** @throws UsageError naming the option and what it should be. */
export function readOptions(args: readonly string[]): Options | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const tag = values.tag ?? (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  if (!/^\w[\w.-]{0,127}$/.test(tag)) throw new UsageError(`--tag ${tag}: a tag has letters, digits, dots, dashes and underscores`);
  const registry = values.registry?.replace(/\/+$/, '');
  if (registry !== undefined && !/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/.test(registry)) {
    throw new UsageError(`--registry ${values.registry}: give host and path without a scheme, for example registry.example.com/platform`);
  }
  if (values['base-from-machine'] && (values.base ?? values['build-base']) !== undefined) {
    throw new UsageError('--base-from-machine takes the place of --base and --build-base: give one or the other');
  }
  if (values.push && registry === undefined) throw new UsageError('--push needs --registry <prefix>: where to');
  const { output, kind, containerd, push } = values;
  return {
    tag,
    registry,
    base: values.base,
    buildBase: values['build-base'],
    baseFromMachine: values['base-from-machine'],
    engine: values.engine,
    sizes: values.sizes,
    destinations: [
      ...(output === undefined ? [] : [{ kind: 'archives', folder: output } as const]),
      ...(kind === undefined ? [] : [{ kind: 'kind', cluster: kind } as const]),
      ...(containerd === undefined ? [] : [{ kind: 'containerd', address: containerd } as const]),
      ...(push ? [{ kind: 'push' } as const] : []),
    ],
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        tag: text,
        registry: text,
        base: text,
        'build-base': text,
        'base-from-machine': flag,
        engine: text,
        sizes: flag,
        output: text,
        kind: text,
        containerd: text,
        push: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; npm run images -- --help lists the options`);
  }
}
