/**
 * Every address and name of the cluster. They can be fixed, because its network namespace holds nothing else.
 */

export const nodeName = 'node';
/** The bridge that stands for the node's network card; its address is also where PostgreSQL, the API server and WorkOS's stand-in listen. */
export const nodeBridge = 'node0';
export const nodeAddress = '10.10.0.1';
/** Address of the load balancer that leads to the gateway. */
export const gatewayAddress = '10.10.0.2';
export const podRange = '10.244.0.0/16';
/** The part of it that kube-controller-manager gives to the first node. */
export const nodePodRange = '10.244.0.0/24';
/** The bridge of the pods; its address is their way to everything else. */
export const podBridge = 'pods0';
export const podGateway = '10.244.0.1';
/** Where the policies' agent takes an address for itself, away from those of pods. */
export const policyAgentRange = '10.244.255.0/24';
export const dnsAddress = '10.96.0.10';
export const clusterDomain = 'cluster.local';

/** The tenants' domain; every name in it leads to the gateway. */
export const tenantsDomain = 'tenants.example.test';
/** Host of the Admin API. */
export const adminHost = `admin.${tenantsDomain}`;
/** MCP clients refuse to sign in over plain HTTP anywhere but at a loopback name, which is why the stand-in has one. */
export const workosHost = 'workos.localhost';

export const gatewayNamespace = 'traefik';
export const gatewayName = 'public';
export const gatewayClass = 'traefik';
export const ingressClass = 'traefik';
