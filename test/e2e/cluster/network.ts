import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { gatewayAddress, nodeAddress, nodeBridge } from './addresses.ts';

/** Gives the network namespace a loopback, the node's address and a way for everything else; nothing leads out of it. */
export function prepareNetwork(): void {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', nodeBridge, 'type', 'bridge');
  ip('addr', 'add', `${nodeAddress}/24`, 'dev', nodeBridge);
  ip('link', 'set', nodeBridge, 'up');
  // Service addresses are rewritten on their way out, so there must be a way out.
  ip('route', 'add', 'default', 'dev', nodeBridge);
  // No machine has the gateway's address; without an answer for it the kernel would not send before kube-proxy rewrites.
  ip('neigh', 'add', gatewayAddress, 'lladdr', '02:00:00:00:00:01', 'dev', nodeBridge, 'nud', 'permanent');
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  // Pods share a bridge: policies hold between them only when bridged packets pass the packet filter.
  writeFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', '1');
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
