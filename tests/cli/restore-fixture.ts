import { readDatabase } from '../support/database-reader.js';
import { openDatabase } from '../support/redis-calls.js';
import { cliJson, type JsonDocument, type Variables } from './fixture.js';

/** Every key of a database with its type, expiry and a digest of its value; clustering's locks come and go by themselves. */
export async function stateOf(redisUrl: string): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  for await (const { key, type, expiresAt, digest } of readDatabase(redisUrl)) {
    const name = key.toString('latin1');
    if (!name.startsWith('cluster:lock:')) state.set(name, `${type} ${expiresAt} ${digest}`);
  }
  return state;
}

/** Runs one plain command. */
export async function redis(redisUrl: string, ...command: readonly [string, ...string[]]): Promise<unknown> {
  const connection = openDatabase(redisUrl);
  try {
    return await connection.call(...command);
  } finally {
    connection.disconnect();
  }
}

/** Removes every key that names the project, but not what belongs to it without naming it. Returns how many. */
export async function removeProject(redisUrl: string, project: string): Promise<number> {
  const names = [...(await stateOf(redisUrl)).keys()].filter(
    (name) => name.includes(project) && !name.startsWith('user'),
  );
  await redis(redisUrl, 'DEL', ...names);
  return names.length;
}

/** The id of the first project there is. */
export async function anyProject(redisUrl: string): Promise<string> {
  const names = [...(await stateOf(redisUrl)).keys()].sort();
  const found = names.find((name) => name.startsWith('project:'));
  if (found === undefined) throw new Error('There is no project');
  return found.slice('project:'.length);
}

/** Takes a snapshot and returns its id. */
export async function taken(env: Variables): Promise<string> {
  const { code, json } = await cliJson(['backup', '--local'], env);
  if (code !== 0) throw new Error(`backup ended with ${code}: ${json.error?.message ?? ''}`);
  return String(json['snapshot']);
}

export type PlanTotals = Record<'write' | 'overwrite' | 'same' | 'keep' | 'expired' | 'remove', number>;

export function totalsOf(json: JsonDocument): PlanTotals {
  return (json['plan'] as { total: PlanTotals }).total;
}

/** A table's row as its words: `rowOf(text, 'total')`. */
export function rowOf(text: string, name: string): string[] {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `)) ?? '';
  return line.split(/ +/).slice(1);
}
