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
