import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { labels } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { LogWatch } from '../log-watch.ts';
import { World } from '../world.ts';

const world = new World();
const names = ['before', 'while'].map((when) => world.name(`watched-${when}`));
const namespace = 'default';
const folder = mkdtempSync(join(tmpdir(), 'tenantry-log-watch-'));

afterAll(async () => {
  for (const name of names) await world.kube.delete(kinds.Secret, name, { namespace });
  rmSync(folder, { recursive: true });
});

async function makeSecret(name: string, value: string): Promise<void> {
  const secret: KubeObject & { readonly stringData: object } = {
    metadata: { name, namespace, labels: { [labels.managedBy]: 'tenantry' } },
    stringData: { password: value },
  };
  await world.kube.create(kinds.Secret, secret);
}

test('a run whose logs have a secret is told so: made before or while it was watched, in a log that is there or gone with its pod', async () => {
  const [before = '', during = ''] = names;
  const values = [`planted-${before}`, `planted-${during}`] as const;
  await makeSecret(before, values[0]);
  const watch = new LogWatch(folder, 'node', world.kube, new Map([['a password given to the run', 'what was given']]));
  await world.eventually('the first', 10_000, async () => watch.knows(values[0]) || undefined);
  await makeSecret(during, values[1]);
  await world.eventually('the second', 10_000, async () => watch.knows(values[1]) || undefined);

  writeFileSync(join(folder, 'operator.log'), `{"password":"${values[0]}"}\n`);
  writeFileSync(join(folder, 'control-plane.log'), 'connecting with a password given to the run\n');
  mkdirSync(join(folder, 'node/pod'), { recursive: true });
  const podLog = join(folder, 'node/pod/api.log');
  writeFileSync(podLog, `got ${values[1]}\n`);
  await world.eventually('the log of the pod is kept', 10_000, async () => watch.keeps(podLog) || undefined);
  rmSync(podLog);

  expect(watch.end().map((found) => found.replace(/^kept-logs-[^/]+\/\d+/, 'kept'))).toEqual([
    'control-plane.log has what was given',
    expect.stringMatching(new RegExp(`^kept.log has password of ${namespace}/${during}$`)),
    `operator.log has password of ${namespace}/${before}`,
  ]);
});
