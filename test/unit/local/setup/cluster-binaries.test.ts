import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClusterBinaries, findBinaries, findClusterBinaries } from '../../../../local/kubernetes/binaries.ts';
import {
  ciliumVersion,
  clusterSet,
  corednsVersion,
  etcdVersion,
  gatewayApiVersion,
  helmVersion,
  kubernetesVersion,
  localSet,
  traefikVersion,
} from '../../../../local/setup/locate.mjs';
import { arch, folderOf, SetupWorld, setup, sha256, tarGz } from './setup-world.ts';

const binaries = join(import.meta.dirname, '../../../../local/binaries');
let world: SetupWorld;
let dir = '';
beforeEach(() => {
  world = new SetupWorld();
  dir = world.dir;
});
afterEach(() => world.remove());

describe('the programs of a real cluster', () => {
  const downloaded = ['kubelet', 'kube-scheduler', 'kube-proxy', 'helm', 'coredns', 'traefik'];

  function clusterReleases(): Record<string, Buffer> {
    const files: Record<string, Buffer> = {};
    for (const name of downloaded.slice(0, 3)) {
      const content = Buffer.from(`program ${name}`);
      files[`/v1.34.4/bin/linux/${arch}/${name}`] = content;
      files[`/v1.34.4/bin/linux/${arch}/${name}.sha256`] = Buffer.from(sha256(content));
    }
    const helm = tarGz(`linux-${arch}/helm`, Buffer.from('program helm'));
    files[`/helm-v3.21.4-linux-${arch}.tar.gz`] = helm;
    files[`/helm-v3.21.4-linux-${arch}.tar.gz.sha256sum`] = Buffer.from(`${sha256(helm)}  helm-v3.21.4-linux-${arch}.tar.gz\n`);
    const coredns = tarGz('coredns', Buffer.from('program coredns'));
    files[`/v1.12.4/coredns_1.12.4_linux_${arch}.tgz`] = coredns;
    files[`/v1.12.4/coredns_1.12.4_linux_${arch}.tgz.sha256`] = Buffer.from(`${sha256(coredns)} *coredns_1.12.4_linux_${arch}.tgz\n`);
    const traefik = tarGz('traefik', Buffer.from('program traefik'));
    files[`/v3.6.0/traefik_v3.6.0_linux_${arch}.tar.gz`] = traefik;
    files['/v3.6.0/traefik_v3.6.0_checksums.txt'] = Buffer.from(
      `${'0'.repeat(64)}  traefik_v3.6.0_darwin_${arch}.tar.gz\n${sha256(traefik)}  traefik_v3.6.0_linux_${arch}.tar.gz\n`,
    );
    return files;
  }

  /** A Go that says it is of this version, makes each program a file with the package's name, and has the modules in a folder. */
  function fakeGo(version: string): string {
    for (const folder of ['kubernetes', 'helm', 'coredns', 'traefik', 'cilium', 'pause']) {
      mkdirSync(join(dir, 'local/binaries', folder), { recursive: true });
    }
    mkdirSync(join(dir, 'module/config/crd/standard'), { recursive: true });
    writeFileSync(join(dir, 'module/config/crd/standard/gateways.yaml'), 'kind: CustomResourceDefinition\n', { mode: 0o444 });
    const sources = join(dir, 'module/bpf');
    for (const folder of ['lib', 'tests', 'complexity-tests']) {
      mkdirSync(join(sources, folder), { recursive: true });
      writeFileSync(join(sources, folder, 'source.h'), folder);
    }
    for (const version of ['v2', 'v2alpha1']) {
      const crds = join(dir, 'module/pkg/k8s/apis/cilium.io/client/crds', version);
      mkdirSync(crds, { recursive: true });
      writeFileSync(join(crds, `of-${version}.yaml`), '');
    }
    const go = join(dir, 'go');
    const script = `#!/bin/sh
      [ "$1" = env ] && echo ${version} && exit 0
      [ "$1" = mod ] && echo '{"Dir": "${dir}/module"}' && exit 0
      while [ $# -gt 1 ]; do [ "$1" = -o ] && target=$2; shift; done
      echo "built $1" > "$target" && chmod +x "$target"`;
    writeFileSync(go, script, { mode: 0o755 });
    return `${dir}:/bin:/usr/bin`;
  }

  it('are downloaded and checked, and what nobody publishes is built', async () => {
    const { stdout } = await world.provide(await world.publish(clusterReleases()), { PATH: fakeGo('go1.26.0') }, 'clusterSet');
    const folder = folderOf(stdout);
    for (const name of downloaded) expect(readFileSync(join(folder, name), 'utf8')).toBe(`program ${name}`);
    expect(readFileSync(join(folder, 'pause'), 'utf8')).toBe('built .\n');
    expect(readdirSync(join(folder, 'gateway-api'))).toEqual(['gateways.yaml']);
    expect(readdirSync(join(folder, 'cilium-crds'))).toEqual(['of-v2.yaml', 'of-v2alpha1.yaml']);
    expect(readdirSync(join(folder, 'bpf'))).toEqual(['lib']);
    expect(readFileSync(join(folder, 'bpf/lib/source.h'), 'utf8')).toBe('lib');
    expect(readdirSync(folder).sort()).toEqual([...clusterSet.names].sort());
    expect(stdout).toContain('from dl.k8s.io, get.helm.sh and github.com');
  });

  it('are refused when the list of checksums does not name them', async () => {
    const sums = { '/v3.6.0/traefik_v3.6.0_checksums.txt': Buffer.from(`${'0'.repeat(64)}  other.tar.gz\n`) };
    const { error } = await world.provide(
      await world.publish({ ...clusterReleases(), ...sums }),
      { PATH: fakeGo('go1.26.0') },
      'clusterSet',
    );
    expect(error).toContain('A download was refused');
  });

  it('are all built where the network is closed', async () => {
    const { stdout } = await world.provide('http://127.0.0.1:1', { PATH: fakeGo('go1.26.0') }, 'clusterSet');
    expect(stdout).toMatch(/so Go builds them once: kubelet .*, bpf \d/);
    expect(readFileSync(join(folderOf(stdout), 'helm'), 'utf8')).toBe('built helm.sh/helm/v3/cmd/helm\n');
    expect(findClusterBinariesIn(folderOf(stdout)).traefik).toBe(join(folderOf(stdout), 'traefik'));
  });

  it('need Go for what nobody publishes', async () => {
    const { error } = await world.provide(await world.publish(clusterReleases()), { PATH: dir }, 'clusterSet');
    expect(error).toContain(
      'nobody publishes pause, gateway-api, cilium-agent, cilium-cni, cilium-crds and bpf as files, and there is no Go',
    );
    expect(error).not.toContain('HTTPS_PROXY');
  });

  it('need a Go that is new enough for helm', async () => {
    const { error } = await world.provide('http://127.0.0.1:1', { PATH: fakeGo('go1.25.1'), GOTOOLCHAIN: 'local' }, 'clusterSet');
    expect(error).toContain('go1.25.1; helm v3.21.4 needs 1.26');
  });

  it('are looked for by name, and the command that provides them is told', () => {
    const env = { TENANTRY_CACHE: dir, PATH: dir };
    expect(() => findBinaries(env)).toThrow('run `node local/setup/setup.mjs`');
    expect(() => findClusterBinaries(env)).toThrow('run `node local/setup/setup.mjs --cluster`');
  });

  it('are found in KUBEBUILDER_ASSETS, like the others, and both folders are printed', async () => {
    const { folder } = findClusterBinariesIn(dir);
    const env = { HOME: join(dir, 'home'), KUBEBUILDER_ASSETS: folder };
    const { stdout } = await promisify(execFile)(process.execPath, [join(setup, 'setup.mjs'), '--cluster', '--print'], { env });
    expect(stdout).toBe(`${folder}\n${folder}\n`);
  });

  /** With every other program in this folder. */
  function findClusterBinariesIn(folder: string): ClusterBinaries {
    for (const name of [...localSet.names, ...clusterSet.names]) {
      if (!existsSync(join(folder, name))) writeFileSync(join(folder, name), '', { mode: 0o755 });
    }
    return findClusterBinaries({ KUBEBUILDER_ASSETS: folder, TENANTRY_CACHE: dir, PATH: folder });
  }
});

describe('the Go modules of the programs', () => {
  it.each([
    ['kubernetes', 'k8s.io/kubernetes', kubernetesVersion],
    ['etcd', 'go.etcd.io/etcd/server/v3', etcdVersion],
    ['helm', 'helm.sh/helm/v3', helmVersion],
    ['coredns', 'github.com/coredns/coredns', corednsVersion],
    ['traefik', 'github.com/traefik/traefik/v3', traefikVersion],
    ['cilium', 'github.com/cilium/cilium', ciliumVersion],
    ['traefik', 'sigs.k8s.io/gateway-api', gatewayApiVersion],
  ])('%s pins %s at the version that is downloaded', (folder, module, version) => {
    const lines = readFileSync(join(binaries, folder, 'go.mod'), 'utf8').split('\n');
    const pinned = lines.map((line) => line.trim().split(' ')).map((words) => (words[0] === 'require' ? words.slice(1) : words));
    expect(pinned.find(([name, at]) => name === module && at?.startsWith('v'))?.[1]).toBe(version);
  });
});
