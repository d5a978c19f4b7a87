// @ts-check
import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fetchFile, fetchText } from './download.mjs';
import { architectures, corednsVersion, etcdVersion, helmVersion, kubernetesVersion, traefikVersion } from './locate.mjs';
import { extractFile } from './tar.mjs';

/** Download sites of the publishers. Tests use other URLs. */
export const publishers = {
  kubernetes: 'https://dl.k8s.io',
  etcd: 'https://github.com/etcd-io/etcd/releases/download',
  helm: 'https://get.helm.sh',
  coredns: 'https://github.com/coredns/coredns/releases/download',
  traefik: 'https://github.com/traefik/traefik/releases/download',
};

/** @typedef {typeof publishers} Publishers */
/** @typedef {{publisher: keyof Publishers, file: string, sums: string, inside?: string}} Release URLs of the file and of its SHA-256, path in the archive */

/** Returns the release of a program. Undefined when it is not published as a file. @param {string} name @param {Publishers} from @returns {Release | undefined} */
function releaseOf(name, from) {
  const arch = architectures[/** @type {'x64' | 'arm64'} */ (process.arch)];
  switch (name) {
    case 'etcd': {
      const folder = `etcd-${etcdVersion}-linux-${arch}`;
      const at = `${from.etcd}/${etcdVersion}`;
      return { publisher: 'etcd', file: `${at}/${folder}.tar.gz`, sums: `${at}/SHA256SUMS`, inside: `${folder}/etcd` };
    }
    case 'helm': {
      const file = `${from.helm}/helm-${helmVersion}-linux-${arch}.tar.gz`;
      return { publisher: 'helm', file, sums: `${file}.sha256sum`, inside: `linux-${arch}/helm` };
    }
    case 'coredns': {
      const file = `${from.coredns}/${corednsVersion}/coredns_${corednsVersion.slice(1)}_linux_${arch}.tgz`;
      return { publisher: 'coredns', file, sums: `${file}.sha256`, inside: 'coredns' };
    }
    case 'traefik': {
      const at = `${from.traefik}/${traefikVersion}/traefik_${traefikVersion}`;
      return { publisher: 'traefik', file: `${at}_linux_${arch}.tar.gz`, sums: `${at}_checksums.txt`, inside: 'traefik' };
    }
    case 'pause':
    case 'gateway-api':
    case 'cilium-agent':
    case 'cilium-cni':
    case 'cilium-crds':
    case 'bpf':
      return undefined;
    default: {
      const file = `${from.kubernetes}/${kubernetesVersion}/bin/linux/${arch}/${name}`;
      return { publisher: 'kubernetes', file, sums: `${file}.sha256` };
    }
  }
}

/** @param {string} name */
export function isPublished(name) {
  return releaseOf(name, publishers) !== undefined;
}

/** Lists the hosts that publish these programs, as shown to users. @param {readonly string[]} names */
export function hostsOf(names) {
  const hosts = names.flatMap((name) => releaseOf(name, publishers)?.file ?? []).map((url) => new URL(url).hostname);
  return enumerate([...new Set(hosts)]);
}

/** @param {readonly string[]} words */
export function enumerate(words) {
  return words.join(', ').replace(/, ([^,]*)$/, ' and $1');
}

/**
 * Downloads a small file from each publisher of these programs. @param {readonly string[]} names
 * @param {{env: NodeJS.ProcessEnv, from: Publishers}} options @throws UnreachableError when one cannot be reached
 */
export async function probe(names, { env, from }) {
  const sums = names
    .flatMap((name) => releaseOf(name, from) ?? [])
    .map((release) => /** @type {const} */ ([release.publisher, release.sums]));
  await Promise.all([...new Map(sums).values()].map((url) => fetchText(url, env)));
}

/**
 * Downloads a program and checks its SHA-256.
 * @param {string} name @param {string} target
 * @param {{env: NodeJS.ProcessEnv, from: Publishers, detail: (text: string) => void}} options
 */
export async function download(name, target, { env, from, detail }) {
  const release = releaseOf(name, from);
  if (release === undefined) throw new Error(`nobody publishes ${name}`);
  const sum = sumOf(await fetchText(release.sums, env), basename(release.file));
  if (release.inside === undefined) {
    await fetchFile(release.file, sum, target, { env, detail });
    return;
  }
  const archive = `${target}.archive`;
  try {
    await fetchFile(release.file, sum, archive, { env, detail });
    extractFile(archive, release.inside, target);
  } finally {
    rmSync(archive, { force: true });
  }
}

/** Reads a checksum from a file with only the checksum, or from a list in the format of sha256sum. @param {string} text @param {string} file */
function sumOf(text, file) {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const [sum = ''] = lines.find(([, name]) => name?.replace(/^\*/, '') === file) ?? lines.find((line) => line.length === 1) ?? [];
  return sum;
}
