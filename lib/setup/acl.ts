import { ok, warn, type CheckGroup } from '../health/doctor.js';
import type { RedisPort } from '../ports/redis.js';

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
        const [reply] = await redis.pipeline([['SET', key, '1', 'PX', 10_000, 'NX']]);
        if (reply !== undefined && 'error' in reply) return ok('refused, as it should be: to write');
        await redis.pipeline([['DEL', key]]);
        return warn(
          'this token may write',
          'For functions that only back up, use the token of a user made by the line above; restores need the standard token.',
        );
      },
    },
  ];
}
