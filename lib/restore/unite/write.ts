import { toArgument, type RecordLine } from '../../snapshot/record.js';
import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { atOnce } from '../../redis/at-once.js';
import { inHalves, isTooLarge } from '../../redis/halving.js';
import { toText } from '../../soulcaster/text.js';
import { STAGED_TTL_MS } from '../write/size.js';
import { valueCommands } from '../write/commands.js';
import type { Mode } from '../model.js';
import { runCommands, memberTooLarge, valueOf, type ListPage, type Member } from './members.js';

/** Adds all members of a staged list to its list in one step; safe to run twice. */
const ADD_STAGED = `if redis.call('EXISTS', KEYS[2]) == 0 then return redis.error_reply('ERR staged members are gone') end
local there = redis.call('EXISTS', KEYS[1])
local flag = ARGV[1] == 'missing'
if redis.call('TYPE', KEYS[2]).ok == 'zset' then
  local at = 0
  while true do
    local flat = redis.call('ZRANGE', KEYS[2], at, at + 999, 'WITHSCORES')
    if #flat == 0 then break end
    local args = {}
    for i = 1, #flat, 2 do
      args[#args + 1] = flat[i + 1]
      args[#args + 1] = flat[i]
    end
    if flag then redis.call('ZADD', KEYS[1], 'NX', unpack(args)) else redis.call('ZADD', KEYS[1], unpack(args)) end
    at = at + 1000
  end
else
  local all = redis.call('SMEMBERS', KEYS[2])
  for i = 1, #all, 1000 do redis.call('SADD', KEYS[1], unpack(all, i, math.min(i + 999, #all))) end
end
if (there == 0 or ARGV[3] == 'always') and ARGV[2] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
return 1`;

/** Members to write into a list. */
export interface Addition {
  readonly page: ListPage;
  readonly add: readonly Member[];
  /** Whether an existing list gets the page's expiry too; a new list always does. */
  readonly expires: boolean;
  /** Whether a key of another type has to be removed first. */
  readonly replaces: boolean;
  readonly isNew: boolean;
}

function additionCommands(mode: Mode, { page, add, expires, replaces, isNew }: Addition): RedisCommand[] {
  const commands: RedisCommand[] = replaces ? [['UNLINK', page.key]] : [];
  commands.push(...addCommands(mode, page.key, page.list.type, add));
  // Set even when the list has this expiry: it may have expired since it was read, and adding members would create it
  // again.
  if ((isNew || replaces || expires) && page.expiresAt !== undefined) commands.push(expiryCommand(page));
  return commands;
}

function expiryCommand({ key, expiresAt }: ListPage): RedisCommand {
  return expiresAt === undefined ? ['PERSIST', key] : ['PEXPIREAT', key, toArgument(expiresAt)];
}

/** Sets the expiry of lists. Not in a MULTI, which a full database refuses. */
export async function setExpiry(redis: RedisPort, pages: readonly ListPage[]): Promise<void> {
  for (const reply of await runCommands(redis, pages.map(expiryCommand))) valueOf(reply);
}

/** Writes additions of a page each: each list in one step, in as few requests as their size allows. */
export async function writeAdditions(redis: RedisPort, mode: Mode, additions: readonly Addition[]): Promise<void> {
  const run = async (some: readonly Addition[]): Promise<null[]> => {
    await send(
      redis,
      some.flatMap((addition) => additionCommands(mode, addition)),
    );
    return some.map(() => null);
  };
  await inHalves(additions, run, ({ page }) => {
    throw memberTooLarge(page.key);
  });
}

function addCommands(mode: Mode, key: Buffer | string, type: 'set' | 'zset', add: readonly Member[]): RedisCommand[] {
  const v = type === 'set' ? add.map(({ name }) => toText(name)) : add.map(({ name, score }) => [toText(name), score]);
  const line = { k: '', t: type, v } as unknown as RecordLine;
  // Mode `missing` never changes a present score, even one that was added a moment ago.
  const onlyNew = type === 'zset' && mode === 'missing';
  return [...valueCommands(key, line)].map(({ command: [name, at, ...rest] }) =>
    onlyNew ? [name, at ?? '', 'NX', ...rest] : [name, at ?? '', ...rest],
  );
}

/** Adds more than a page in one step: stages the pages under another name, and adds them with one script. */
export function stagedAddition(redis: RedisPort, mode: Mode, name: string) {
  let staged = 0;
  return {
    async stage(page: ListPage, add: readonly Member[]): Promise<void> {
      if (add.length === 0) return;
      staged += add.length;
      const commands = addCommands('merge', name, page.list.type, add);
      await send(redis, [...commands, ['PEXPIRE', name, STAGED_TTL_MS]]).catch((error: unknown) => {
        throw isTooLarge(error) ? memberTooLarge(page.key) : error;
      });
    },
    async apply({ page, expires, replaces }: Omit<Addition, 'add'>): Promise<number> {
      if (staged === 0) return 0;
      const before: RedisCommand[] = replaces ? [['UNLINK', page.key]] : [];
      const time = page.expiresAt === undefined ? '' : toArgument(page.expiresAt);
      const when = expires ? 'always' : 'new';
      await send(redis, [...before, ['EVAL', ADD_STAGED, 2, page.key, name, mode, time, when]]);
      await send(redis, [['UNLINK', name]]);
      return staged;
    },
  };
}

export async function send(redis: RedisPort, commands: readonly RedisCommand[]): Promise<void> {
  if (commands.length === 0) return;
  for (const reply of await atOnce(redis, commands)) valueOf(reply);
}
