// @ts-check
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { architectures, kubernetesVersion } from './locate.mjs';
import { Trouble } from './progress.mjs';

/** As the go.mod files in local/binaries say. */
const goVersion = { major: 1, minor: 24 };

/** @typedef {{name: string, folder: string, module: string, flags: string, duration: string}} Build */

/** @returns {Record<string, Build>} */
function builds() {
  const version = kubernetesVersion;
  const [major, minor] = version.slice(1).split('.');
  const set = (/** @type {string} */ at, /** @type {string} */ value) => `-X k8s.io/${at}=${value}`;
  const flags = [
    '-s -w',
    set('component-base/version.gitVersion', version),
    set('component-base/version.gitMajor', major ?? ''),
    set('component-base/version.gitMinor', minor ?? ''),
    set('component-base/version.gitTreeState', 'clean'),
    set('client-go/pkg/version.gitVersion', version),
  ].join(' ');
  const kubernetes = (/** @type {string} */ name, /** @type {string} */ duration) => ({
    name,
    folder: 'kubernetes',
    module: `k8s.io/kubernetes/cmd/${name}`,
    flags,
    duration,
  });
  return {
    etcd: { name: 'etcd', folder: 'etcd', module: 'go.etcd.io/etcd/server/v3', flags: '-s -w', duration: '1 min' },
    'kube-apiserver': kubernetes('kube-apiserver', '3 to 6 min'),
    'kube-controller-manager': kubernetes('kube-controller-manager', '1 to 2 min'),
    kubectl: kubernetes('kubectl', '1 min'),
  };
}

/** @param {readonly string[]} names */
export function buildDurations(names) {
  const all = builds();
  return names.map((name) => `${name} ${all[name]?.duration}`).join(', ');
}

/** Throws Trouble where there is no Go that can build Kubernetes. @param {NodeJS.ProcessEnv} env @param {string} whyBuild */
export async function checkGo(env, whyBuild) {
  let version = '';
  try {
    version = (await promisify(execFile)('go', ['env', 'GOVERSION'], { env, cwd: '/' })).stdout.trim();
  } catch {
    throw new Trouble(
      `The Kubernetes binaries are missing, cannot be downloaded (${whyBuild}), and there is no Go to build them.`,
      'Any one of these helps:\n' +
        '  - let this machine reach dl.k8s.io and github.com (a proxy is taken from HTTPS_PROXY),\n' +
        '  - install Go 1.24 or later (https://go.dev/dl; it fetches modules from GOPROXY),\n' +
        `  - put etcd, kube-apiserver, kube-controller-manager and kubectl (${kubernetesVersion}) into a folder and name it in KUBEBUILDER_ASSETS.`,
    );
  }
  const match = /^go(\d+)\.(\d+)/.exec(version);
  const tooOld = match !== null && Number(match[1]) === goVersion.major && Number(match[2]) < goVersion.minor;
  // Since Go 1.21 an older Go fetches the one it needs, unless told not to.
  const fetches = match !== null && Number(match[2]) >= 21 && env.GOTOOLCHAIN !== 'local';
  if (tooOld && !fetches) {
    throw new Trouble(
      `The Go on this machine is ${version}; Kubernetes ${kubernetesVersion} needs 1.24 or later.`,
      'Install a newer Go from https://go.dev/dl.',
    );
  }
}

/**
 * Builds one program from the modules that local/binaries pins.
 * @param {string} name @param {string} target
 * @param {{root: string, env: NodeJS.ProcessEnv, arch?: string}} options
 */
export async function buildBinary(name, target, { root, env, arch = process.arch }) {
  const build = builds()[name];
  if (build === undefined) throw new Error(`no build of ${name}`);
  const goarch = architectures[/** @type {'x64' | 'arm64'} */ (arch)];
  const { code, output } = await run(['build', '-mod=readonly', '-trimpath', '-ldflags', build.flags, '-o', target, build.module], {
    cwd: join(root, 'local', 'binaries', build.folder),
    env: { ...env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '', GOOS: 'linux', GOARCH: goarch },
  });
  if (code === 0) return;
  const end = output.trim().split('\n').slice(-15).join('\n');
  throw new Trouble(`Building ${name} with Go failed:\n${end}`, remedyOf(output));
}

/** @param {string} output */
function remedyOf(output) {
  if (/no space left/i.test(output))
    return 'The disk is full: Go needs about 4 GB for modules and its build cache. Free some, or move them with GOMODCACHE and GOCACHE.';
  if (/dial tcp|lookup .*(no such host|server misbehaving)|connection refused|i\/o timeout|proxyconnect/i.test(output)) {
    return 'Go could not fetch a module: set GOPROXY to a module proxy that this machine can reach, then run the command again.';
  }
  if (/checksum mismatch|SECURITY ERROR/i.test(output))
    return 'A module is not what go.sum says: run `go clean -modcache`, or use another GOPROXY.';
  if (/signal: killed|cannot allocate memory/i.test(output))
    return 'The machine ran out of memory: building kube-apiserver takes about 3 GB. Close other programs, or set GOFLAGS=-p=1.';
  if (/requires go >=|toolchain/i.test(output)) return 'Install Go 1.24 or later from https://go.dev/dl.';
  return 'If this does not explain itself: install the binaries by hand into a folder and name it in KUBEBUILDER_ASSETS.';
}

/** @param {string[]} args @param {{cwd: string, env: NodeJS.ProcessEnv}} options @returns {Promise<{code: number, output: string}>} */
function run(args, options) {
  return new Promise((resolve) => {
    const child = spawn('go', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-20_000);
      });
    }
    child.on('error', (error) => resolve({ code: 127, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
