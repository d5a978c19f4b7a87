// @ts-check
/**
 * Says at once whether this machine can run the end-to-end tests, before anything long begins: plain JavaScript without dependencies, on
 * Node 20 and later.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where distributions put CNI plugins. */
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin'];
const plugins = ['bridge', 'host-local', 'loopback', 'portmap'];

/** Programs by the Debian package that brings them. */
const packages = {
  containerd: ['containerd', 'ctr', 'containerd-shim-runc-v2'],
  runc: ['runc'],
  iptables: ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables'],
  nftables: ['nft'],
  bpftool: ['bpftool'],
  clang: ['clang'],
  iproute2: ['ip'],
  'util-linux': ['unshare', 'nsenter', 'setpriv', 'mount'],
  hostname: ['hostname'],
};

/** Folder of the CNI plugins; undefined when they are missing. */
export function cniPlugins() {
  return pluginFolders.find((folder) => plugins.every((plugin) => isProgram(join(folder, plugin))));
}

/** Debian packages without which the tests cannot run. */
export function missingPackages() {
  const missing = Object.entries(packages)
    .filter(([, programs]) => !programs.every(inPath))
    .map(([name]) => name);
  if (cniPlugins() === undefined) missing.push('containernetworking-plugins');
  // A docker client without its daemon is common, and builds nothing.
  if (!['docker', 'podman', 'buildah'].some((engine) => inPath(engine) && works(engine))) missing.push('buildah');
  return missing;
}

/** What keeps the tests from running here, with its remedy, one line each. */
export function obstacles() {
  if (process.platform !== 'linux') return ['The end-to-end tests need Linux: they run a real node in namespaces of their own.'];
  const found = [];
  if (process.getuid?.() !== 0)
    found.push('The end-to-end tests need root, for namespaces and containers: run them as root, or with sudo.');
  const missing = missingPackages();
  if (missing.length > 0) {
    found.push(
      `Programs are missing. On Debian and Ubuntu: apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    );
  }
  for (const folder of [resolve(fileURLToPath(new URL('../..', import.meta.url))), tmpdir()]) {
    if (/^\/(etc|var|run)\//.test(`${folder}/`)) {
      found.push(
        `${folder} is not seen inside, where /etc, /var and /run are others: use a folder elsewhere (TMPDIR for temporary files).`,
      );
    }
  }
  if (!existsSync('/sys/fs/cgroup')) found.push('There is no /sys/fs/cgroup: mount the control groups.');
  return found;
}

/** @param {string} engine */
function works(engine) {
  return spawnSync(engine, ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** @param {string} program */
function inPath(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.some((folder) => isProgram(join(folder, program)));
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = process.argv.includes('--missing-packages') ? missingPackages() : obstacles();
  if (process.argv.includes('--missing-packages')) process.stdout.write(`${lines.join(' ')}\n`);
  else if (lines.length > 0) {
    process.stderr.write(`${lines.join('\n')}\n`);
    process.exitCode = 1;
  }
}
