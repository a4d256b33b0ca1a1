import { ok, warn, type CheckGroup } from '../health/doctor.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

/** The least that snapshots need: they read every key, and write none. */
const READER = '%R~* +@read +ping +info +time +eval +eval_ro +multi +exec';

/** The command that makes a database user for snapshots; a password goes in the place of PASSWORD. */
export const ACL_COMMAND = `ACL SETUSER soulcaster-backup on >PASSWORD ${READER}`;

/** What gives that user's token for the REST API, on Upstash. */
export const ACL_TOKEN_COMMAND = 'ACL RESTTOKEN soulcaster-backup PASSWORD';

/** Whether the token is refused what snapshots do not need. What it may all the same is undone. */
export function aclChecks(open: () => RedisPort, probe: string): CheckGroup {
  return [
    {
      name: 'may-not-write',
      run: async () => {
        const redis = open();
        const key = `soulcaster-backup:acl:${probe}`;
        const set = await runOne(redis, (sdk) => sdk.set(key, '1', { px: 10_000, nx: true }));
        if ('error' in set) return ok('refused, as it should be: to write');
        await runOne(redis, (sdk) => sdk.del(key));
        return warn(
          'this token may write',
          'For functions that only back up, use the token of a user made by the line above; restores need the standard token.',
        );
      },
    },
  ];
}
