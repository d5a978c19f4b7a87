import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { gatewayAddress, nodeAddress, nodeBridge, nodePodRange, podBridge, podGateway } from './addresses.ts';

/** Gives the network namespace a loopback, the node's address and a way for everything else; nothing leads out of it. */
export function prepareNetwork(): void {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', nodeBridge, 'type', 'bridge');
  ip('addr', 'add', `${nodeAddress}/24`, 'dev', nodeBridge);
  ip('link', 'set', nodeBridge, 'up');
  preparePodBridge();
  // Service addresses are rewritten on their way out, so there must be a way out.
  ip('route', 'add', 'default', 'dev', nodeBridge);
  // No machine has the gateway's address; without an answer for it the kernel would not send before kube-proxy rewrites.
  ip('neigh', 'add', gatewayAddress, 'lladdr', '02:00:00:00:00:01', 'dev', nodeBridge, 'nud', 'permanent');
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  // Pods share a bridge: what kube-proxy did to a request is undone in its answer only when bridged packets pass the packet filter.
  writeFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', '1');
}

/** The pods' bridge, before CNI makes it, so that its packets come from the node's address: the agent of the policies lets the node's probes pass. */
function preparePodBridge(): void {
  // With a hardware address of its own; else it would take that of one of its ports, and pods lose the node whenever others come and go.
  ip('link', 'add', podBridge, 'address', '02:00:00:00:00:02', 'type', 'bridge');
  ip('addr', 'add', `${podGateway}/24`, 'dev', podBridge, 'noprefixroute');
  ip('link', 'set', podBridge, 'up');
  ip('route', 'add', nodePodRange, 'dev', podBridge, 'src', nodeAddress);
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
