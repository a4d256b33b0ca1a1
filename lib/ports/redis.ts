/**
 * One argument of a command. Text goes as UTF-8; bytes go as they are, whether they are valid UTF-8 or not; numbers
 * go as decimal text.
 */
export type RedisArgument = string | number | Uint8Array;

/** A command as Redis reads it, its name in capitals first: `['HGETALL', key]`. */
export type RedisCommand = readonly [name: string, ...args: RedisArgument[]];

/** Several arguments that are JSON strings already, with commas between them: the bytes `from` to `to` (exclusive), valid UTF-8. */
export class JsonArguments {
  constructor(
    readonly json: Buffer,
    readonly from: number,
    readonly to: number,
  ) {}

  decode(): string[] {
    return JSON.parse(`[${this.json.toString('utf8', this.from, this.to)}]`) as string[];
  }
}

/** A command that passes on what was read as JSON, and need not be made into strings in between. */
export type SentCommand = readonly [name: string, ...args: (RedisArgument | JsonArguments)[]];

/** The same command with all of its arguments one by one. */
export function decodedCommand([name, ...args]: SentCommand): RedisCommand {
  return [name, ...args.flatMap((arg) => (arg instanceof JsonArguments ? arg.decode() : [arg]))];
}

/**
 * A reply, byte for byte: bulk and status strings as Buffers, integers as numbers, those beyond 2^53 as bigints, nil as
 * null, arrays nested.
 */
export type RedisValue = Buffer | number | bigint | null | RedisValue[];

/**
 * A bulk string, or a list of them, that is still JSON with its strings in base64: the bytes `from` to `to` (exclusive) of a
 * reply's body. Not checked: it may turn out to be something else.
 */
export interface SentJson {
  readonly json: Buffer;
  readonly from: number;
  readonly to: number;
  /** Throws `redis-unavailable` (transient) for what the protocol does not have, as `elements` does. */
  decode(): RedisValue;
  /** Of a list; also throws where it is none. */
  elements(): WireValue[];
}

/** A reply that may still be as it was sent: whoever only passes it on need not make a value of each of its strings. */
export type WireValue = RedisValue | SentJson;

export function isSentJson(value: WireValue | undefined): value is SentJson {
  return typeof value === 'object' && value !== null && 'json' in value;
}

/** The value itself. Throws as `decode` does. */
export function decoded(value: WireValue): RedisValue {
  return isSentJson(value) ? value.decode() : value;
}

/** What one command came to. An `error` is Redis's own text without the command that caused it. */
export type Reply<Value> = { readonly value: Value } | { readonly error: string };
export type RedisReply = Reply<RedisValue>;
export type WireReply = Reply<WireValue>;

/** What was spent since the port was made. Commands are counted as Upstash bills them, those of a batch one by one. */
export interface RedisUsage {
  readonly requests: number;
  readonly commands: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/**
 * A Redis database, as far as a request/reply protocol reaches (no WATCH, no blocking commands, no subscriptions).
 *
 * Both calls take 1 or more commands, send them in one request and return exactly one reply a command, in order. A
 * command that Redis refuses yields `{error}` in its place and leaves the others alone. When the request as a whole
 * fails, they throw an AppError:
 * - `redis-denied`: the token is wrong, or may not run one of the commands;
 * - `redis-limit`: the plan's quota is used up (permanent), or the rate limit was hit (transient, `retryAfterMs`);
 * - `redis-reply-too-large`: the reply, or the request, is over the size limit; ask for less at a time;
 * - `redis-unavailable`: unreachable, timed out, 5xx, or an answer that is not the protocol's (transient);
 *   after it, a write may or may not have been applied.
 */
export interface RedisPort {
  /**
   * Host of the database with its port, and the path where its address has one; without credentials: for records and for
   * telling two databases apart.
   */
  readonly host: string;
  /** Runs the commands in order; others' commands may run in between. */
  pipeline(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Runs the commands as one MULTI/EXEC: nothing runs in between. With `wire` a port may leave values as they were sent. */
  transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  transaction(commands: readonly SentCommand[], form: 'wire' | undefined): Promise<WireReply[]>;
  usage(): RedisUsage;
}
