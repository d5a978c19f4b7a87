import { expect, test } from 'vitest';
import { type Deployment, isRolledOut } from '../../../local/rollout.ts';

const here = { routerUrl: 'http://localhost:20000', issuer: 'http://localhost:20001' };
const done = { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };

function deployment(change: { mcpUrl?: string; issuer?: string; status?: object } = {}): Deployment {
  const { mcpUrl = 'http://localhost:20000/t/acme/mcp', issuer = here.issuer, status = {} } = change;
  const env = [
    { name: 'TENANTRY_MCP_URL', value: mcpUrl },
    { name: 'TENANTRY_OAUTH_ISSUER', value: issuer },
  ];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'stack', generation: 2 },
    spec: { template: { spec: { containers: [{}, { env }] } } },
    status: { ...done, ...status },
  };
}

test.each([
  ['all pods have the addresses', {}, true],
  ['the router had another port', { mcpUrl: 'http://localhost:2000/t/acme/mcp' }, false],
  ['the router had a port that begins alike', { mcpUrl: 'http://localhost:200001/t/acme/mcp' }, false],
  ['the issuer had another port', { issuer: 'http://localhost:1' }, false],
  ['the change is not observed yet', { status: { observedGeneration: 1 } }, false],
  ['an old pod is still there', { status: { replicas: 2, availableReplicas: 2 } }, false],
  ['the new pod is not available yet', { status: { availableReplicas: 0 } }, false],
])('a roll-out where %s', (_case, change, expected) => {
  expect(isRolledOut(deployment(change), here)).toBe(expected);
});
