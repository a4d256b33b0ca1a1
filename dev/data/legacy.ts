import type { Random } from './random.js';
import { createCommand, hash, type Write } from './write.js';

/** One key of each kind from before the application had projects, which it still reads. */
export function* writeLegacy(random: Random): Generator<Write> {
  const item = random.uuid();
  const clustered = random.uuid();
  const cluster = random.uuid();
  const since = { created_at: '2025-03-01T09:30:00.250000+00:00' };
  for (const id of [item, clustered]) {
    yield hash(null, `feedback:${id}`, { id, source: 'manual', title: 'From before', body: 'Old but kept.', ...since });
  }
  yield createCommand(null, 'ZADD', 'feedback:created', '1740821400.25', item, '1740821400.25', clustered);
  yield createCommand(null, 'SADD', 'feedback:unclustered', item);
  yield hash(null, `cluster:${cluster}`, { id: cluster, title: 'From before', status: 'new', ...since });
  yield createCommand(null, 'SADD', `cluster:items:${cluster}`, clustered);
  yield createCommand(null, 'SADD', 'clusters:all', cluster);
  yield createCommand(null, 'SET', `coding_plan:${cluster}`, JSON.stringify({ cluster_id: cluster, steps: [] }));
  yield createCommand(null, 'SADD', 'github:repos', 'acme/before');
  yield hash(null, 'github:repo:acme/before', {
    owner: 'acme',
    repo: 'before',
    full_name: 'acme/before',
    enabled: 'false',
  });
}
