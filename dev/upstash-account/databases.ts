import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Faults } from '../stand-in-server.js';

/** A request to the stand-in, as predicates of faults see it. */
export interface AccountRequest {
  readonly method: string;
  /** `list-backup`, `create-backup`, `database`, ... */
  readonly endpoint: string;
}

export interface AccountFaults extends Faults<AccountRequest> {
  /** Backups and restores wait until this resolves; null: no wait. */
  readonly heldBack: Promise<unknown> | null;
  /** New backups end as failed. */
  readonly backupsFail: boolean;
  /** A restore deletes all data and restores nothing. */
  readonly restoresLoseAll: boolean;
}

export const NO_FAULTS: AccountFaults = {
  reject: null,
  hang: 0,
  loseReply: 0,
  heldBack: null,
  backupsFail: false,
  restoresLoseAll: false,
};

export interface AccountDatabase {
  readonly id: string;
  readonly name: string;
  /** The host in the REST URL, which the API returns as `endpoint`. */
  readonly endpoint: string;
  /** The redis-server that holds its data. */
  readonly redisUrl: string;
  /** Token of the REST endpoint; default: an invalid one. */
  readonly restToken?: string;
  /** Default payg. */
  readonly plan?: 'free' | 'payg' | 'pro' | 'paid';
}

/** One key in a backup. */
interface Copy {
  readonly key: Buffer;
  readonly dump: Buffer;
  /** Milliseconds since the epoch; 0 for never. */
  readonly expiresAt: number;
}

interface Backup {
  readonly fields: Record<string, unknown> & { state: string; backup_size: number };
  copies: readonly Copy[];
}

/** A database of the account with its backups. */
export class BackedDatabase {
  dailyBackup = false;
  /** The current operation; empty when there is none. */
  modifying = '';
  private readonly backups = new Map<string, Backup>();
  private work: Promise<void> = Promise.resolve();

  constructor(
    readonly given: AccountDatabase,
    private readonly email: string,
    private readonly takesMs: number,
  ) {}

  view(): object {
    const { id, name, endpoint, plan = 'payg' } = this.given;
    return {
      database_id: id,
      database_name: name,
      endpoint,
      region: 'global',
      primary_region: 'eu-west-1',
      port: 6379,
      state: 'active',
      modifying_state: this.modifying,
      type: plan,
      tls: true,
      customer_id: this.email,
      daily_backup_enabled: this.dailyBackup,
      creation_time: 1_752_649_602,
    };
  }

  /** The database with its credentials. */
  viewWithSecrets(): object {
    const token = this.given.restToken ?? 'rest-token-of-nothing';
    return { ...this.view(), password: token, rest_token: token, read_only_rest_token: 'read-only-token-of-nothing' };
  }

  list(): object[] {
    return [...this.backups.values()].map(({ fields }) => fields).reverse();
  }

  find(backup: string): readonly Copy[] | null {
    const found = this.backups.get(backup);
    return found?.fields.state === 'completed' ? found.copies : null;
  }

  remove(backup: string): boolean {
    return this.backups.delete(backup);
  }

  /** Starts a backup in the background. */
  backUp(name: string, faults: AccountFaults, daily = false): void {
    const fields = {
      database_id: this.given.id,
      customer_id: this.email,
      name,
      backup_id: randomUUID(),
      creation_time: Math.floor(Date.now() / 1000),
      state: 'pending',
      backup_size: 0,
      daily_backup: String(daily),
      hourly_backup: 'false',
    };
    const backup: Backup = { fields, copies: [] };
    this.backups.set(fields.backup_id, backup);
    this.begin('backup', faults, async (redis) => {
      if (faults.backupsFail) fields.state = 'failed';
      else {
        backup.copies = await copyAll(redis);
        fields.backup_size = backup.copies.reduce((sum, { dump }) => sum + dump.length, 0);
        fields.state = 'completed';
      }
    });
  }

  /** Starts to replace all data by the copies, in the background. */
  restore(copies: readonly Copy[], faults: AccountFaults): void {
    this.begin('restore', faults, async (redis) => {
      await redis.flushall();
      if (faults.restoresLoseAll) return;
      for (const { key, dump, expiresAt } of copies) {
        if (expiresAt === 0) await redis.restore(key, 0, dump);
        else if (expiresAt > Date.now()) await redis.restore(key, expiresAt, dump, 'ABSTTL');
      }
    });
  }

  /** Resolves when no backup or restore is running. */
  async idle(): Promise<void> {
    await this.work;
  }

  private begin(what: string, { heldBack }: AccountFaults, act: (redis: Redis) => Promise<void>): void {
    this.modifying = what;
    this.work = this.work.then(async () => {
      await delay(this.takesMs);
      await heldBack;
      const redis = new Redis(this.given.redisUrl, { protocol: 2 });
      redis.on('error', () => undefined);
      // The database may have been stopped in the meantime.
      await act(redis).catch(() => undefined);
      redis.disconnect();
      this.modifying = '';
    });
  }
}

async function copyAll(redis: Redis): Promise<Copy[]> {
  const keys = await redis.keysBuffer('*');
  const copies: Copy[] = [];
  for (const key of keys) {
    const [dump, expiresAt] = await Promise.all([redis.dumpBuffer(key), redis.pexpiretime(key)]);
    if (Buffer.isBuffer(dump)) copies.push({ key, dump, expiresAt: Math.max(0, expiresAt) });
  }
  return copies;
}
