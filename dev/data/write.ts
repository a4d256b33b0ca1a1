import type { Random } from './random.js';
import type { Writer } from './wording.js';

export type Argument = string | Buffer;

/** One command that writes data. */
export interface Write {
  readonly key: Argument;
  readonly command: readonly [name: string, ...args: Argument[]];
  /** Whether the command creates its key; each key has exactly one such command. */
  readonly creates: boolean;
  /** The project of the key, even if the name does not contain it; null for keys without a project. */
  readonly project: string | null;
}

/** Most arguments of a command; larger values take several commands. */
const ARGUMENTS = 1000;

/** A command that creates a key. */
export function createCommand(project: string | null, name: string, key: Argument, ...args: Argument[]): Write {
  return { key, command: [name, key, ...args], creates: true, project };
}

/** A command on an existing key. */
export function changeCommand(project: string | null, name: string, key: Argument, ...args: Argument[]): Write {
  return { key, command: [name, key, ...args], creates: false, project };
}

/** A hash from an object; undefined fields are left out, as the application leaves out None. */
export function hash(project: string | null, key: string, fields: Readonly<Record<string, string | undefined>>): Write {
  const given = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return createCommand(project, 'HSET', key, ...given.flat());
}

/** A collection that is filled while other keys are written. */
export interface CollectionWriter {
  /** Buffers the arguments of one element; returns a command when the buffer is full. */
  add(...element: Argument[]): Iterable<Write>;
  /** The command for the buffered rest. */
  rest(): Iterable<Write>;
}

/** Adds elements to one key with `ZADD`, `SADD`, `RPUSH` or `HSET`. */
export function collectionWriter(project: string | null, name: string, key: Argument): CollectionWriter {
  let waiting: Argument[] = [];
  let exists = false;
  const flush = (): Write[] => {
    if (waiting.length === 0) return [];
    const write = (exists ? changeCommand : createCommand)(project, name, key, ...waiting);
    waiting = [];
    exists = true;
    return [write];
  };
  return {
    add(...element) {
      waiting.push(...element);
      return waiting.length < ARGUMENTS ? [] : flush();
    },
    rest: flush,
  };
}

/** State that the generators of one project's data share. */
export interface Scope {
  readonly random: Random;
  readonly writer: Writer;
  readonly project: string;
  readonly user: string;
  /** Milliseconds since the epoch: all data was created before this time, and expires after it. */
  readonly now: number;
  /** The project's repositories, as `owner/name`. */
  readonly repos: readonly string[];
  /** `feedback:created:{project}`. */
  readonly created: CollectionWriter;
  /** `feedback:unclustered:{project}`. */
  readonly unclustered: CollectionWriter;
  /** `clusters:{project}:all`. */
  readonly clusters: CollectionWriter;
  /** `feedback:source:{project}:{source}`. */
  bySource(source: string): CollectionWriter;
  /** The next serial number of the project, from 1. */
  serial(): number;
}

/** A time as the application stores it: ISO 8601 with offset, and as a score in epoch seconds with a fraction. */
export interface Stamp {
  readonly ms: number;
  readonly iso: string;
  readonly score: string;
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;

/** A time in microseconds, as Python's clock returns, before `now` and at most `age` milliseconds old. */
export function stampWithin({ random, now }: Pick<Scope, 'random' | 'now'>, age: number): Stamp {
  const ms = now - 1 - random.whole(0, age - 1);
  const micros = String(random.whole(0, 999)).padStart(3, '0');
  const date = new Date(ms).toISOString();
  return {
    ms,
    iso: `${date.slice(0, -1)}${micros}+00:00`,
    score: `${Math.floor(ms / 1000)}.${date.slice(20, 23)}${micros}`,
  };
}
