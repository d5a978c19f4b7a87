// @ts-check
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { architectures, ciliumVersion, helmVersion, kubernetesVersion, pauseVersion, traefikVersion } from './locate.mjs';
import { Trouble } from './progress.mjs';

/**
 * @typedef {object} Build
 * @property {string} folder in local/binaries
 * @property {string} module package of the program, or module of the files
 * @property {string} flags for the linker
 * @property {string} duration of a first build, as a range: on 4 free cores, and on 2 busy cores
 * @property {{of: readonly string[], except?: readonly string[]}} [files] folders of the module to copy instead of building
 * @property {{what: string, minor: number}} [needs] a later Go than Kubernetes requires, according to its go.mod
 */

const forKubernetes = { what: `Kubernetes ${kubernetesVersion}`, minor: 24 };

/** @type {Readonly<Record<string, Build>>} */
const builds = {
  etcd: { folder: 'etcd', module: 'go.etcd.io/etcd/server/v3', flags: '-s -w', duration: '1 to 2 min' },
  'kube-apiserver': kubernetes('kube-apiserver', '3 to 6 min'),
  'kube-controller-manager': kubernetes('kube-controller-manager', '1 to 2 min'),
  kubectl: kubernetes('kubectl', '1 min'),
  kubelet: kubernetes('kubelet', 'half a min'),
  'kube-scheduler': kubernetes('kube-scheduler', '10 s'),
  'kube-proxy': kubernetes('kube-proxy', '20 s'),
  pause: { folder: 'pause', module: '.', flags: `-s -w ${set('main.version', pauseVersion)}`, duration: '1 s' },
  // Traefik's module pins the Gateway API version that it supports.
  'gateway-api': files('traefik', 'sigs.k8s.io/gateway-api', { of: ['config/crd/standard'] }),
  helm: {
    folder: 'helm',
    module: 'helm.sh/helm/v3/cmd/helm',
    flags: [
      '-s -w',
      set('helm.sh/helm/v3/internal/version.version', helmVersion),
      set('helm.sh/helm/v3/internal/version.metadata', ''),
      set('helm.sh/helm/v3/internal/version.gitTreeState', 'clean'),
      // The Kubernetes version that `helm template` and `helm lint` assume. As in Helm's releases, it is the version of its client-go.
      ...['pkg/chartutil', 'pkg/lint/rules'].map((at) => set(`helm.sh/helm/v3/${at}.k8sVersionMinor`, '36')),
    ].join(' '),
    duration: '1 to 2 min',
    needs: { what: `helm ${helmVersion}`, minor: 26 },
  },
  coredns: { folder: 'coredns', module: 'github.com/coredns/coredns', flags: '-s -w', duration: '1 to 3 min' },
  traefik: {
    folder: 'traefik',
    module: 'github.com/traefik/traefik/v3/cmd/traefik',
    flags: `-s -w ${set('github.com/traefik/traefik/v3/pkg/version.Version', traefikVersion.slice(1))}`,
    duration: '4 to 10 min',
  },
  'cilium-agent': cilium('daemon', '4 to 10 min'),
  'cilium-cni': cilium('plugins/cilium-cni', '20 s'),
  'cilium-crds': files('cilium', 'github.com/cilium/cilium', {
    of: ['pkg/k8s/apis/cilium.io/client/crds/v2', 'pkg/k8s/apis/cilium.io/client/crds/v2alpha1'],
  }),
  // The agent looks for this name in its --lib-dir.
  bpf: files('cilium', 'github.com/cilium/cilium', { of: ['bpf'], except: ['bpf/tests', 'bpf/complexity-tests'] }),
};

/** @param {string} name @param {string} duration @returns {Build} */
function kubernetes(name, duration) {
  const [major, minor] = kubernetesVersion.slice(1).split('.');
  const flags = [
    '-s -w',
    set('k8s.io/component-base/version.gitVersion', kubernetesVersion),
    set('k8s.io/component-base/version.gitMajor', major ?? ''),
    set('k8s.io/component-base/version.gitMinor', minor ?? ''),
    set('k8s.io/component-base/version.gitTreeState', 'clean'),
    set('k8s.io/client-go/pkg/version.gitVersion', kubernetesVersion),
  ].join(' ');
  return { folder: 'kubernetes', module: `k8s.io/kubernetes/cmd/${name}`, flags, duration };
}

/** @param {string} path @param {string} duration @returns {Build} */
function cilium(path, duration) {
  const flags = `-s -w ${set('github.com/cilium/cilium/pkg/version.ciliumVersion', ciliumVersion.slice(1))}`;
  return { folder: 'cilium', module: `github.com/cilium/cilium/${path}`, flags, duration };
}

/** @param {string} folder @param {string} module @param {NonNullable<Build['files']>} which @returns {Build} */
function files(folder, module, which) {
  return { folder, module, flags: '', duration: '1 s', files: which };
}

/** @param {string} variable @param {string} value */
function set(variable, value) {
  return `-X ${variable}=${value}`;
}

/** @param {readonly string[]} names */
export function buildDurations(names) {
  return names.map((name) => `${name} ${builds[name]?.duration}`).join(', ');
}

/**
 * Checks for a Go that can build these programs. Throws Trouble when none is found.
 * @param {NodeJS.ProcessEnv} env @param {{names: readonly string[], set: import('./locate.mjs').BinarySet, whyBuild: string, remedies: readonly string[]}} options
 */
export async function checkGo(env, { names, set, whyBuild, remedies }) {
  const needs = names.map((name) => builds[name]?.needs ?? forKubernetes).reduce((a, b) => (b.minor > a.minor ? b : a), forKubernetes);
  let version = '';
  try {
    version = (await promisify(execFile)('go', ['env', 'GOVERSION'], { env, cwd: '/' })).stdout.trim();
  } catch {
    throw new Trouble(
      `${set.purpose} needs ${names.join(', ')} (${set.versions}); ${whyBuild}, and there is no Go to build them.`,
      ['Any one of these helps:', ...remedies, installGo(needs.minor), ownFolder(set)].join('\n  - '),
    );
  }
  const match = /^go(\d+)\.(\d+)/.exec(version);
  const tooOld = match !== null && match[1] === '1' && Number(match[2]) < needs.minor;
  // Since Go 1.21, an older Go downloads the toolchain it needs, unless GOTOOLCHAIN=local.
  const fetches = match !== null && Number(match[2]) >= 21 && env.GOTOOLCHAIN !== 'local';
  if (tooOld && !fetches) {
    throw new Trouble(
      `The Go on this machine is ${version}; ${needs.what} needs 1.${needs.minor} or later.`,
      'Install a newer Go from https://go.dev/dl.',
    );
  }
}

/** @param {number} minor */
function installGo(minor) {
  return `install Go 1.${minor} or later (https://go.dev/dl; it fetches modules from GOPROXY),`;
}

/** @param {import('./locate.mjs').BinarySet} set */
function ownFolder(set) {
  return `put ${set.names.join(', ')} (${set.versions}) into a folder and name it in KUBEBUILDER_ASSETS.`;
}

/**
 * Builds one program from the modules that local/binaries pins.
 * @param {string} name @param {string} target
 * @param {{root: string, env: NodeJS.ProcessEnv, arch?: string}} options
 */
export async function buildBinary(name, target, { root, env, arch = process.arch }) {
  const build = builds[name];
  if (build === undefined) throw new Error(`no build of ${name}`);
  const goarch = architectures[/** @type {'x64' | 'arm64'} */ (arch)];
  const args =
    build.files === undefined
      ? ['build', '-mod=readonly', '-trimpath', '-ldflags', build.flags, '-o', target, build.module]
      : ['mod', 'download', '-json', build.module];
  const { code, stdout, stderr } = await run(args, {
    cwd: join(root, 'local', 'binaries', build.folder),
    env: { ...env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '', GOOS: 'linux', GOARCH: goarch },
  });
  const output = stdout + stderr;
  if (code !== 0) {
    const end = output.trim().split('\n').slice(-15).join('\n');
    throw new Trouble(`Building ${name} with Go failed:\n${end}`, remedyOf(output));
  }
  const { of = [], except = [] } = build.files ?? {};
  for (const path of of) copyFiles(JSON.parse(stdout).Dir, path, target, except);
}

/**
 * Copies files of a module and makes them writable, because Go's module cache is read-only.
 * @param {string} module its folder @param {string} path in it @param {string} target @param {readonly string[]} except
 */
function copyFiles(module, path, target, except) {
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(join(module, path), { withFileTypes: true })) {
    const from = `${path}/${entry.name}`;
    if (entry.isDirectory() && !except.includes(from)) copyFiles(module, from, join(target, entry.name), except);
    if (entry.isFile()) writeFileSync(join(target, entry.name), readFileSync(join(module, from)));
  }
}

/** @param {string} output */
function remedyOf(output) {
  if (/no space left/i.test(output))
    return 'The disk is full: Go needs 4 GB for modules and its build cache, for a real cluster 13 GB. Free some, or move them with GOMODCACHE and GOCACHE.';
  if (/dial tcp|lookup .*(no such host|server misbehaving)|connection refused|i\/o timeout|proxyconnect/i.test(output)) {
    return 'Go could not fetch a module: set GOPROXY to a module proxy that this machine can reach, then run the command again.';
  }
  if (/checksum mismatch|SECURITY ERROR/i.test(output))
    return 'A module is not what go.sum says: run `go clean -modcache`, or use another GOPROXY.';
  if (/signal: killed|cannot allocate memory/i.test(output))
    return 'The machine ran out of memory: building kube-apiserver takes about 3 GB. Close other programs, or set GOMAXPROCS=1.';
  if (/requires go >=|toolchain/i.test(output)) return 'Install the latest Go from https://go.dev/dl.';
  return 'If this does not explain itself: install the binaries by hand into a folder and name it in KUBEBUILDER_ASSETS.';
}

/**
 * @param {string[]} args @param {{cwd: string, env: NodeJS.ProcessEnv}} options
 * @returns {Promise<{code: number, stdout: string, stderr: string}>} the ends of stdout and stderr
 */
function run(args, options) {
  return new Promise((resolve) => {
    const child = spawn('go', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout = (stdout + chunk).slice(-20_000);
    });
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-20_000);
    });
    child.on('error', (error) => resolve({ code: 127, stdout, stderr: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}
