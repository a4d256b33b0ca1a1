import { z } from 'zod';
import type { ProviderBackup, ProviderDatabase } from '../../ports/upstash-account.js';
import { parseJson } from '../answer-text.js';
import { foreignAnswerError } from './failures.js';

/** Appended to a database's `endpoint` when that is only its name. */
const HOSTS = '.upstash.io';

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);

const backupSchema = z.object({
  backup_id: z.string().min(1),
  name: z.string().default(''),
  /** Seconds. */
  creation_time: z.number(),
  state: z.string(),
  backup_size: z.number().nonnegative().nullish(),
  daily_backup: flag.optional(),
  hourly_backup: flag.optional(),
});

const databaseSchema = z.object({
  database_id: z.string().min(1),
  database_name: z.string(),
  endpoint: z.string().min(1),
  state: z.string().default('active'),
  modifying_state: z.string().nullish(),
  type: z.string().nullish(),
  primary_region: z.string().nullish(),
  region: z.string().nullish(),
  daily_backup_enabled: flag.nullish(),
});

/** Source: the schema Backup of upstash.com/docs/devops/developer-api (openapi.yml). */
export function toBackups(text: string): ProviderBackup[] {
  const backups = z.array(backupSchema).safeParse(parseJson(text));
  if (!backups.success) throw foreignAnswerError();
  return backups.data.map(toBackup).sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
}

/** Source: the schema Database of the same file. */
export function toDatabase(text: string): ProviderDatabase {
  const database = databaseSchema.safeParse(parseJson(text));
  if (!database.success) throw foreignAnswerError();
  return toProviderDatabase(database.data);
}

/** Source: the list of databases of the same file, a list of the schema Database. */
export function toDatabases(text: string): ProviderDatabase[] {
  const databases = z.array(databaseSchema).safeParse(parseJson(text));
  if (!databases.success) throw foreignAnswerError();
  return databases.data.map(toProviderDatabase);
}

export function toRestToken(text: string): string {
  const database = z.object({ rest_token: z.string().min(1) }).safeParse(parseJson(text));
  if (!database.success) throw foreignAnswerError();
  return database.data.rest_token;
}

function toProviderDatabase(raw: z.infer<typeof databaseSchema>): ProviderDatabase {
  const { database_id, database_name, endpoint, modifying_state, state, type, primary_region, region } = raw;
  return {
    id: database_id,
    name: database_name,
    host: endpoint.includes('.') ? endpoint : endpoint + HOSTS,
    plan: type ?? '',
    region: primary_region ?? region ?? '',
    state,
    busy: modifying_state === undefined || modifying_state === null || modifying_state === '' ? null : modifying_state,
    dailyBackup: raw.daily_backup_enabled ?? null,
  };
}

function toBackup(raw: z.infer<typeof backupSchema>): ProviderBackup {
  return {
    id: raw.backup_id,
    name: raw.name,
    createdAt: raw.creation_time * 1000,
    state: toState(raw.state),
    bytes: raw.backup_size ?? null,
    made: raw.hourly_backup === true ? 'hourly' : raw.daily_backup === true ? 'daily' : 'by-hand',
  };
}

function toState(text: string): ProviderBackup['state'] {
  return text === 'pending' || text === 'completed' || text === 'failed' ? text : 'unknown';
}
