import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { Commands } from '../../cli/diagnose/commands.ts';

const nothing = { kubeconfig: undefined, context: undefined, namespace: undefined, logs: undefined };

describe('commands of a remedy', () => {
  test('are for the namespace the installation has', () => {
    const commands = new Commands({ ...nothing, namespace: 'platform' });
    expect(commands.parts()).toBe('kubectl get pods --namespace platform --selector app.kubernetes.io/name=tenantry');
    expect(commands.log('operator')).toBe('kubectl logs --namespace platform --selector app.kubernetes.io/component=operator --tail 50');
  });

  test('find it out where nobody tells it', () => {
    const commands = new Commands(nothing);
    expect(commands.log('control-plane')).toBe('kubectl get pods --all-namespaces --selector app.kubernetes.io/name=tenantry');
  });

  test('read the logs of local mode, where operator and control plane are programs', () => {
    const commands = new Commands({ ...nothing, logs: '/home/ada/my project/.tenantry/logs' });
    expect(commands.log('operator')).toBe("tail -n 50 '/home/ada/my project/.tenantry/logs/operator.log'");
    expect(commands.parts()).toBe("ls -l '/home/ada/my project/.tenantry/logs'");
  });

  test('use the kubeconfig and the context that were named', () => {
    const commands = new Commands({ ...nothing, kubeconfig: '/tmp/k', context: 'staging' });
    expect(commands.kubectl('describe', 'tenant', 'acme')).toBe('kubectl --kubeconfig /tmp/k describe tenant acme');
    expect(commands.tenantry('tenants', 'resume', 'acme')).toBe('tenantry --context staging tenants resume acme');
  });

  test.each([["https://x.example.com/'; touch /tmp/x; '"], ['$(touch /tmp/x)'], ['a b\nc'], ['`x`'], ['']])(
    'take %j of others as one word',
    (word) => {
      const command = new Commands(nothing).fetch(word).replace('curl --fail --show-error --max-time 10', 'printf %s');
      expect(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).toBe(word);
    },
  );
});
