import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Program } from '../machine/process.ts';
import { makeFolder, type Owner } from './atomic-folder.ts';
import { shareCompiled } from './compiled.ts';
import { UnknownImageError } from './container.ts';
import { environmentOf, expand, type ReadSecret } from './environment.ts';
import { entryOf, type LocalImages, unknownImageMessage } from './images.ts';
import { mountsOf, rewriteArgument, rewriteValue } from './mounts.ts';
import type { Container } from './pod.ts';

/**
 * Returns the process of a container. Its environment is the pod's, plus PATH, and HOME and TMPDIR in its own folder. It inherits nothing
 * from the agent's environment, which contains keys.
 * @throws MissingSecretError when a Secret does not exist yet, UnknownImageError when the agent does not know the image.
 */
export async function programOf(options: {
  readonly container: Container;
  readonly podIp: string;
  readonly images: LocalImages;
  /** Additional environment. The pod's own variables take precedence. */
  readonly extraEnv: Readonly<Record<string, string>>;
  readonly read: ReadSecret;
  readonly folderOf: (volume: string) => string;
  readonly temporaryFolder: string;
  readonly logFile: string;
  readonly owner: Owner;
}): Promise<Program> {
  const { container, podIp, owner } = options;
  const image = entryOf(container, options.images);
  if (image === undefined) throw new UnknownImageError(unknownImageMessage(container));
  const podEnv = await environmentOf(container, podIp, options.read);
  const mounts = mountsOf(container, options.folderOf);
  mkdirSync(dirname(options.temporaryFolder), { recursive: true, mode: 0o711 });
  makeFolder(options.temporaryFolder, owner);
  const temporary = mounts.find(({ mountPath }) => mountPath === '/tmp')?.target ?? options.temporaryFolder;

  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: options.temporaryFolder,
    TMPDIR: temporary,
    ...options.extraEnv,
    ...image.env,
  };
  if (image.compiled !== undefined) {
    if (owner !== undefined) shareCompiled(image.compiled, owner.uid);
    env['NODE_COMPILE_CACHE'] = image.compiled;
  }
  for (const [name, value] of Object.entries(podEnv)) env[name] = rewriteValue(value, mounts);
  const own = container.command !== undefined && container.command.length > 0;
  const words = [
    ...image.entrypoint.map((word) => (own ? rewriteArgument(expand(word, podEnv), mounts) : word)),
    ...(container.args ?? []).map((word) => rewriteArgument(expand(word, podEnv), mounts)),
  ];
  const [command = '', ...args] = words;
  return {
    command,
    args,
    env,
    cwd: image.workingDir ?? options.temporaryFolder,
    logFile: options.logFile,
    // HOME is this container's own folder, unless the pod sets HOME itself.
    ...(env['HOME'] === options.temporaryFolder ? { marker: `HOME=${options.temporaryFolder}` } : {}),
    ...(owner === undefined ? {} : owner),
  };
}
