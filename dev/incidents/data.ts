import { connect } from '../../lib/app/connect.js';
import { backup } from '../../lib/cli/backup.js';
import type { Context } from '../../lib/cli/context.js';
import { reindex } from '../../lib/cli/reindex.js';
import { restore } from '../../lib/cli/restore.js';
import { deleteProject, loseEverything, findFirstProject } from '../demo/damage.js';
import type { Incident, Scene } from './scene.js';

const RESTORE = { mode: 'replace', ttl: 'keep', safety: true, settle: true, reindex: false, local: true } as const;

async function findProject({ env }: Context): Promise<string> {
  return findFirstProject(connect(env, ['redis']).redis);
}

/** The oldest item in the project's list by time. */
async function findItem({ env }: Context, of: string): Promise<string> {
  const [reply] = await connect(env, ['redis']).redis.pipeline([['ZRANGE', `feedback:created:${of}`, 0, 0]]);
  const [first] = reply !== undefined && 'value' in reply && Array.isArray(reply.value) ? reply.value : [];
  return Buffer.isBuffer(first) ? first.toString('utf8') : String(first);
}

/** Starts a restore of everything and interrupts it after the first writes. */
async function interruptRestore({ context, stack }: Scene): Promise<void> {
  const operator = await context();
  const { redis } = stack.rehearsal.proxies;
  await loseEverything(connect(operator.env, ['redis']).redis);
  let hasWritten = false;
  redis.fail(({ body }) => {
    if (hasWritten) return 'reset';
    hasWritten = /"(RENAME|HSET|ZADD|SADD|RPUSH)"/i.test(body.toString('utf8'));
    return null;
  });
  try {
    await restore(operator, 'latest', { ...RESTORE, yes: true });
  } catch {
    // The restore is meant to fail.
  } finally {
    redis.fail(null);
  }
}

/** Incidents with lost, wrong or doubtful data. */
export const DATA_INCIDENTS: readonly Incident[] = [
  {
    name: 'item-lost',
    title: 'the application deleted an item of feedback',
    section: 'One item or some keys are lost',
    sees: 'A user asks where a message went. The status is ok: it watches the backups, not the application.',
    async begin({ context }) {
      const operator = await context();
      const of = await findProject(operator);
      const item = await findItem(operator, of);
      await connect(operator.env, ['redis']).redis.transaction([
        ['UNLINK', `feedback:${of}:${item}`],
        ['ZREM', `feedback:created:${of}`, item],
      ]);
      return { variables: { PROJECT: of, ITEM: item } };
    },
  },
  {
    name: 'project-lost',
    title: 'the application deleted a project',
    section: 'One project is lost',
    sees: 'The dashboard does not show the project any more. The status is ok until the next snapshot.',
    async begin({ context }) {
      const operator = await context();
      const of = await findProject(operator);
      await deleteProject(connect(operator.env, ['redis']).redis, of);
      return { variables: { PROJECT: of } };
    },
  },
  {
    name: 'all-lost',
    title: 'the database was emptied, and a new deployment wrote a little into it',
    section: 'Everything is lost',
    sees: 'The dashboard is empty. The status is ok until the next snapshot, which will be doubtful.',
    async begin({ context }) {
      await loseEverything(connect((await context()).env, ['redis']).redis);
      return {};
    },
  },
  {
    name: 'emptied-and-saved',
    title: 'the database was emptied, and the nightly backup saved it like that',
    section: 'The newest snapshot is doubtful',
    sees: 'The alert snapshot-doubtful: the newest snapshot has less than half of the keys of the one before.',
    async begin({ context }) {
      const operator = await context();
      await loseEverything(connect(operator.env, ['redis']).redis);
      await backup(operator, { local: true });
      return {};
    },
  },
  {
    name: 'restore-broken-off',
    title: 'a restore of everything broke off while it wrote',
    section: 'A restore broke off',
    sees: 'The alerts restore-failed and restore-unfinished; status: not recoverable.',
    async begin(scene) {
      await interruptRestore(scene);
      return {};
    },
  },
  {
    name: 'wrong-restore',
    title: 'somebody restored everything, and what was written since the snapshot was needed',
    section: 'The wrong thing was restored',
    sees: 'Users miss what they did today. The report of the restore named the snapshot that undoes it.',
    async begin({ context }) {
      const operator = await context();
      const of = await findProject(operator);
      await connect(operator.env, ['redis']).redis.pipeline([
        ['HSET', `project:${of}`, 'name', 'Named after the snapshot'],
      ]);
      const documents: unknown[] = [];
      const recording: Context = { ...operator, document: (value) => void documents.push(value) };
      await restore(recording, 'latest', { ...RESTORE, yes: true });
      return { variables: { UNDO: (documents[0] as { undo: string }).undo } };
    },
  },
  {
    name: 'index-lost',
    title: 'the vector index was emptied',
    section: 'Search finds the wrong things, or nothing',
    sees: 'Search in the dashboard finds nothing. The status is ok: the index is derived from the database.',
    async begin({ context }) {
      const operator = await context();
      await reindex(operator, { all: true, mode: 'in-place', local: true, yes: true });
      const { vectors } = connect(operator.env, ['vectors']);
      const of = await findProject(operator);
      await vectors.remove(of, 'all');
      return { variables: { PROJECT: of } };
    },
  },
  {
    name: 'index-other-model',
    title: 'the vectors were made with another model than the application uses',
    section: 'Search finds the wrong things, or nothing',
    sees: 'The alert index-model-differs; search finds what does not fit.',
    async begin({ context }) {
      const operator = await context();
      const env = { ...operator.env, EMBEDDING_MODEL: 'gemini-embedding-2' };
      await reindex({ ...operator, env }, { all: true, mode: 'in-place', local: true, yes: true });
      return { variables: { PROJECT: await findProject(operator) } };
    },
  },
];
