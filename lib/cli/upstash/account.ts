import { loadConfig, type Environment } from '../../app/config.js';
import { connect } from '../../app/connect.js';
import type { Clock, UpstashAccount } from '../../ports/index.js';

/** The account, and the database in it that is meant. Throws `config` with everything that is missing. */
export function openAccount(env: Environment): { account: UpstashAccount; clock: Clock; database: string } {
  const { UPSTASH_REDIS_ID: database } = loadConfig(env, ['account']).account;
  return { ...connect(env, ['account', 'clock']), database };
}
