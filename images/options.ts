import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './programs.ts';

/** A place that built images are delivered to. Without any, they stay in the engine's storage. */
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
  /** Whether to measure the compressed size of the images. */
  readonly sizes: boolean;
  readonly destinations: readonly Destination[];
}

export class UsageError extends Error {}

export const help = `npm run images -- [options]

Builds tenantry/operator, tenantry/control-plane and tenantry/tenant with the first of docker, podman and buildah that is installed.

  --tag <tag>             tag of the images; the version in package.json when left out
  --registry <prefix>     registry and path before tenantry/..., for example registry.example.com/platform
  --base <image>          base image with Node.js 24, instead of the public one
  --build-base <image>    build image with Node.js 24 and npm, instead of the public one
  --base-from-machine     makes both from this machine's Node.js, npm and C library; needs no image registry
  --engine <name>         docker, podman or buildah
  --sizes                 prints the compressed sizes of the images; takes a few seconds

Destinations. Several may be given; without any, the images stay in the engine's storage:
  --output <folder>       writes <folder>/<image>.tar, which docker, podman, kind and containerd load
  --kind <cluster>        loads them into the kind cluster of that name
  --containerd <address>  imports them into containerd for Kubernetes, through its socket, for example /run/containerd/containerd.sock
  --push                  pushes them to the registry

The build reads npm's registry and credentials from ~/.npmrc and extra certificate authorities from NODE_EXTRA_CA_CERTS. No image keeps them.
`;

/** @throws UsageError naming the option and its valid form. */
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
  if (values.push && registry === undefined) throw new UsageError('--push needs --registry <prefix>');
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
