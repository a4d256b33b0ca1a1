import { isSentJson } from '../../../dist/lib/ports/redis.js';
import { parseWireBody } from '../../../dist/lib/services/upstash-redis/replies.js';
import { openPart } from '../../../dist/lib/snapshot/scan/sink.js';
import { DEFAULT_SNAPSHOT_SETTINGS } from '../../../dist/lib/snapshot/settings.js';

/** @type {Readonly<Record<string, import('../../../dist/lib/snapshot/record.js').RecordType>>} */
const TYPES = { HGETALL: 'hash', LRANGE: 'list', SMEMBERS: 'set', ZRANGE: 'zset', 'JSON.GET': 'json' };

/**
 * The least that the format demands of replies: a line of each value, SHA-256 and gzip, with the program's own functions for
 * these. No names, no expiries, no index of keys, no checkpoint, and nothing is stored.
 */
export function leastWork() {
  let part = openPart();
  let bytes = 0;
  /** @type {Promise<void>} */
  let turn = Promise.resolve();
  const close = async () => {
    const { plain } = await part.close();
    bytes += plain.bytes;
    part = openPart();
  };

  return {
    /**
     * Replies are written one after the other.
     * @param {readonly (readonly [string, ...string[]])[]} commands of the request
     * @param {Buffer} body of its reply
     */
    add(commands, body) {
      turn = turn.then(async () => {
        for (const line of linesOf(commands, body)) await part.write(line, true);
        if (part.bytes >= DEFAULT_SNAPSHOT_SETTINGS.partBytes) await close();
      });
      return turn;
    },
    /** Ends the last part; returns the plain bytes of all. */
    async end() {
      await close();
      return bytes;
    },
  };
}

/** @param {readonly (readonly [string, ...string[]])[]} commands @param {Buffer} body */
function* linesOf(commands, body) {
  const replies = parseWireBody(body);
  if ('error' in replies) throw new Error(replies.error);
  for (const [at, [name, ...args]] of commands.entries()) {
    const item = replies.items[at];
    const type = name === 'MGET' ? 'string' : TYPES[name];
    if (type === undefined || item === undefined || 'error' in item || !isSentJson(item.value)) continue;
    const values = name === 'MGET' ? item.value.elements() : [item.value];
    for (const [index, sent] of values.entries()) {
      if (sent !== null) yield { key: Buffer.from(args[index] ?? ''), type, expiry: null, sent };
    }
  }
}
