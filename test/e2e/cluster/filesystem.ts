import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterDomain, dnsAddress, nodeAddress, nodeName, workosHost } from './addresses.ts';

/**
 * Makes the mount namespace a machine of its own: /run is empty, and what is written below /etc and /var is kept in memory. So the
 * programs of the node keep their usual paths, and nothing of this machine is changed.
 */
export function prepareFilesystem(): void {
  mount('--make-rprivate', '/');
  mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run');
  for (const folder of ['/etc', '/var']) {
    const [upper, work] = ['upper', 'work'].map((part) => join('/run/overlay', folder, part)) as [string, string];
    for (const path of [upper, work]) mkdirSync(path, { recursive: true });
    mount('-t', 'overlay', '-o', `lowerdir=${folder},upperdir=${upper},workdir=${work}`, 'overlay', folder);
  }
  mkdirSync('/run/lock', { recursive: true });
  // A real node's mounts are shared; kubelet and containerd look for that.
  mount('--make-rshared', '/');
  nameNode();
}

/** Names as the node and the tests see them: those of the node from /etc/hosts, all others from the cluster's own DNS. */
function nameNode(): void {
  execFileSync('hostname', [nodeName]);
  writeFileSync('/etc/resolv.conf', `nameserver ${dnsAddress}\nsearch svc.${clusterDomain}\noptions ndots:1 timeout:2 attempts:2\n`);
  writeFileSync('/etc/hosts', `127.0.0.1 localhost\n::1 localhost\n${nodeAddress} ${nodeName} ${workosHost}\n`);
}

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
