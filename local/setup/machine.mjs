// @ts-check
import { existsSync } from 'node:fs';
import { architectures } from './locate.mjs';
import { Trouble } from './progress.mjs';

const elsewhere =
  'What works: on Windows, WSL2 (run `wsl --install`, then clone and start inside it); anywhere with Docker, a real cluster with kind\n' +
  '(`kind create cluster`), into which the operator and the control plane are installed like into any other cluster.';

/**
 * Fails early on a machine that cannot run the local cluster.
 * @param {{platform: string, arch: string, node: string, hasGlibc: boolean}} machine
 */
export function checkMachine(machine = thisMachine()) {
  const { platform, arch, node, hasGlibc } = machine;
  if (platform !== 'linux' || !(arch in architectures)) {
    throw new Trouble(`The local cluster runs on Linux on x64 or arm64; this is ${platform} on ${arch}.`, elsewhere);
  }
  if (!hasGlibc) {
    throw new Trouble(
      'This Linux has no GNU C library (it looks like Alpine), and the Node.js 24 and PostgreSQL that npm brings need it.',
      'Use a distribution with glibc, such as Debian, Ubuntu or Fedora; in a container, an image such as node:24-bookworm.',
    );
  }
  const major = Number(node.split('.')[0]);
  if (major < 20) {
    throw new Trouble(
      `Node.js ${node} is too old; version 20 or later is needed to install.`,
      'Install it from https://nodejs.org, or with nvm: nvm install 24',
    );
  }
}

function thisMachine() {
  const { platform, arch } = process;
  // Every glibc program names this loader. This check is much faster than process.report.
  const loader = arch === 'x64' ? '/lib64/ld-linux-x86-64.so.2' : '/lib/ld-linux-aarch64.so.1';
  return { platform, arch, node: process.versions.node, hasGlibc: platform !== 'linux' || existsSync(loader) };
}
