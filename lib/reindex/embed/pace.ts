import type { Embedder } from '../../ports/embedder.js';

/** How many texts a call of one embedder may bring at this moment; shared by all tasks of a process. */
interface Pace {
  /** 1 to the most that the embedder takes. */
  room(): number;
  /** A call of `count` texts was accepted. */
  accepted(count: number): void;
  /** A call of `count` texts met the rate limit, or the end of the day's quota: the next one brings half. */
  limited(count: number): void;
  /** The limit's period is over: calls of the size that was accepted last may be made again. */
  renewed(): void;
}

const paces = new WeakMap<Embedder, Pace>();

/**
 * A rate limit can be below what one call brings, when tokens are counted: then no waiting helps and a smaller call
 * does. So a refused call is halved, down to one text, before anything is waited for; what is accepted lets the next
 * call be twice as large.
 */
export function paceOf(embedder: Embedder): Pace {
  const known = paces.get(embedder) ?? newPace(embedder.maxBatch);
  paces.set(embedder, known);
  return known;
}

function newPace(most: number): Pace {
  let room = most;
  let largest = 1;
  return {
    room: () => room,
    accepted(count) {
      largest = Math.max(largest, count);
      // A last, short call says nothing about larger ones.
      if (count >= room) room = Math.min(most, 2 * room);
    },
    limited(count) {
      room = Math.max(1, Math.min(room, Math.floor(count / 2)));
    },
    renewed() {
      room = Math.max(room, largest);
    },
  };
}
