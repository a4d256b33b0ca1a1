import type { RedisCommand, RedisReply } from '../../ports/redis.js';
import { assemble } from './assemble.js';
import type { ValueCommand } from './commands.js';
import { PAGE_ELEMENTS, STAGED_TTL_MS } from './limits.js';
import type { Writer } from './model.js';

/** Commands that are sent in one transaction. */
export interface Page {
  readonly commands: readonly RedisCommand[];
  readonly elements: number;
}

/** Gathers commands into pages. A command of a page's size or more is a page alone. */
export async function* pagesOf(commands: AsyncIterable<ValueCommand>, pageBytes: number): AsyncGenerator<Page> {
  let page: RedisCommand[] = [];
  let [wire, elements] = [0, 0];
  for await (const next of commands) {
    const full = wire + next.wire > pageBytes || elements + next.elements > PAGE_ELEMENTS;
    if (full && page.length > 0) {
      yield { commands: page, elements };
      page = [];
      wire = elements = 0;
    }
    page.push(next.command);
    wire += next.wire;
    elements += next.elements;
  }
  if (page.length > 0) yield { commands: page, elements };
}

/**
 * Sends a page for a staged key in one transaction, followed by the commands of `after`, and renews the key's expiry.
 * Returns the replies to the page's commands, then to those of `after`.
 */
export async function sendPage(
  writer: Writer,
  name: string,
  page: readonly RedisCommand[],
  after: readonly RedisCommand[] = [],
): Promise<RedisReply[]> {
  const pieces: string[] = [];
  try {
    const ready: RedisCommand[] = [];
    for (const command of page) {
      const assembled = await assemble(writer, command);
      pieces.push(...assembled.pieces);
      ready.push(assembled.command);
    }
    const replies = await writer.wire.transaction([...ready, ...after, ['PEXPIRE', name, STAGED_TTL_MS]]);
    return replies.slice(0, -1);
  } finally {
    await writer.wire.sweep(pieces);
  }
}
