import type { ProviderBackup } from '../../ports/upstash-account.js';
import { bytes, duration, printable } from '../output/format.js';
import { table } from '../output/table.js';
import { loadConfig, type Environment } from '../../app/config.js';
import { connect } from '../../app/connect.js';
import type { Clock, UpstashAccount } from '../../ports/index.js';

const MADE = { 'by-hand': 'by hand', daily: 'daily', hourly: 'hourly' } as const;

/** A backup in the JSON documents of these commands. */
export function backupDocument(backup: ProviderBackup): object {
  return { ...backup, createdAt: timeOf(backup) };
}

export function timeOf({ createdAt }: ProviderBackup): string {
  return new Date(createdAt).toISOString();
}

export function ageOf({ createdAt }: ProviderBackup, now: number): string {
  return duration(Math.max(0, now - createdAt));
}

export function sizeOf({ bytes: size }: ProviderBackup): string {
  return size === null || size === 0 ? 'not known' : bytes(size);
}

export function backupTable(backups: readonly ProviderBackup[], now: number): string {
  const rows = backups.map((backup) => [
    backup.id,
    printable(backup.name),
    ageOf(backup, now),
    backup.state,
    MADE[backup.made],
    sizeOf(backup),
  ]);
  return table(['id', 'name', 'age', 'state', 'made', 'size'], rows, [5]);
}

/** The account and its configured database. Throws `config` naming everything that is missing. */
export function openAccount(env: Environment): { account: UpstashAccount; clock: Clock; database: string } {
  const { UPSTASH_REDIS_ID: database } = loadConfig(env, ['account']).account;
  return { ...connect(env, ['account', 'clock']), database };
}
