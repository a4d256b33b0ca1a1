export type Argument = string | Buffer;

/** One command of the data to be written. */
export interface Write {
  readonly key: Argument;
  readonly command: readonly [name: string, ...args: Argument[]];
  /** Whether it is the key's first command: one key has exactly one such. */
  readonly creates: boolean;
  /** The project that the key belongs to, whether its name says so or not; null for keys of users and of nobody. */
  readonly project: string | null;
}

/** Arguments a command, at most: several commands write what is bigger. */
const ARGUMENTS = 1000;

/** A command that makes a key. */
export function creating(project: string | null, name: string, key: Argument, ...args: Argument[]): Write {
  return { key, command: [name, key, ...args], creates: true, project };
}

/** A command on a key that is there already. */
export function changing(project: string | null, name: string, key: Argument, ...args: Argument[]): Write {
  return { key, command: [name, key, ...args], creates: false, project };
}

/** A hash from an object; fields that are undefined are left out, as the application leaves out what is None. */
export function hash(project: string | null, key: string, fields: Readonly<Record<string, string | undefined>>): Write {
  const given = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return creating(project, 'HSET', key, ...given.flat());
}

/** A collection that grows while other keys are written. */
export interface Growing {
  /** Takes the arguments of one element; gives a command when enough of them came together. */
  add(...element: Argument[]): Iterable<Write>;
  /** The command for what is left. */
  rest(): Iterable<Write>;
}

/** Element by element into one key, with `ZADD`, `SADD`, `RPUSH` or `HSET`. */
export function growing(project: string | null, name: string, key: Argument): Growing {
  let waiting: Argument[] = [];
  let exists = false;
  const flush = (): Write[] => {
    if (waiting.length === 0) return [];
    const write = (exists ? changing : creating)(project, name, key, ...waiting);
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
