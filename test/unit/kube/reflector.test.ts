import { expect, test } from 'vitest';
import { watchSilenceMs } from '../../../kube/client.ts';
import { watchSecondsOf } from '../../../kube/reflector.ts';
import { kinds } from '../../../kube/resources.ts';

test('a watch of Events, which sends no bookmarks, ends before its silence counts as a fault', () => {
  for (const random of [0, 0.5, 0.999]) expect(watchSecondsOf(kinds.Event, random) * 1000).toBeLessThan(watchSilenceMs);
  expect([0, 0.999].map((random) => watchSecondsOf(kinds.Tenant, random))).toEqual([300, 600]);
});
