/**
 * One argument of a command. Text is sent as UTF-8; bytes are sent unchanged, valid UTF-8 or not; numbers are sent as
 * decimal text.
 */
export type RedisArgument = string | number | Uint8Array;

/** A command with its name in capitals first: `['HGETALL', key]`. */
export type RedisCommand = readonly [name: string, ...args: RedisArgument[]];

/** Several arguments, already encoded as JSON strings separated by commas: the bytes `from` to `to` (exclusive), valid UTF-8. */
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

/** A command that forwards arguments as JSON, without decoding them in between. */
export type SentCommand = readonly [name: string, ...args: (RedisArgument | JsonArguments)[]];

/** The same command with all arguments decoded. */
export function decodedCommand([name, ...args]: SentCommand): RedisCommand {
  return [name, ...args.flatMap((arg) => (arg instanceof JsonArguments ? arg.decode() : [arg]))];
}

/**
 * A reply, byte for byte: bulk and status strings as Buffers, integers as numbers, those beyond 2^53 as bigints, nil as
 * null, arrays nested.
 */
export type RedisValue = Buffer | number | bigint | null | RedisValue[];

/**
 * A bulk string, or a list of them, still encoded as JSON with base64 strings: the bytes `from` to `to` (exclusive) of a
 * reply's body. Not validated: the bytes may hold something else.
 */
export interface SentJson {
  readonly json: Buffer;
  readonly from: number;
  readonly to: number;
  /** Like `elements`, throws `redis-unavailable` (transient) for bytes that are not valid in the protocol. */
  decode(): RedisValue;
  /** The elements of a list; also throws if the value is not a list. */
  elements(): WireValue[];
}

/** A value that may still be encoded, so that a caller that only forwards it need not decode its strings. */
export type WireValue = RedisValue | SentJson;

export function isSentJson(value: WireValue | undefined): value is SentJson {
  return typeof value === 'object' && value !== null && 'json' in value;
}

/** The decoded value. Throws like `decode`. */
export function decoded(value: WireValue): RedisValue {
  return isSentJson(value) ? value.decode() : value;
}

/** The reply to one command. `error` is Redis's text without the command that caused it. */
export type Reply<Value> = { readonly value: Value } | { readonly error: string };
export type RedisReply = Reply<RedisValue>;
export type WireReply = Reply<WireValue>;

/** Use since the port was created. Commands are counted as Upstash bills them: each command of a batch. */
export interface RedisUsage {
  readonly requests: number;
  readonly commands: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/**
 * A Redis database over a request/reply protocol (no WATCH, no blocking commands, no subscriptions).
 *
 * Both calls take 1 or more commands, send them in one request and return exactly one reply per command, in order. A
 * command that Redis refuses yields `{error}` in its place and does not affect the others. If the request as a whole fails,
 * they throw an AppError:
 * - `redis-denied`: the token is wrong, or may not run one of the commands;
 * - `redis-limit`: the plan's quota is used up (permanent), or the rate limit was hit (transient, `retryAfterMs`);
 * - `redis-reply-too-large`: the reply, or the request, exceeds the size limit; request less at a time;
 * - `redis-unavailable`: unreachable, timed out, 5xx, or a response that breaks the protocol (transient); a write may or may
 *   not have been applied.
 */
export interface RedisPort {
  /**
   * Host and port of the database, and the path if its address has one, without credentials: for records and for
   * distinguishing databases.
   */
  readonly host: string;
  /** Runs the commands in order; commands of other clients may run in between. */
  pipeline(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  /** Runs the commands as one MULTI/EXEC: nothing runs in between. With `wire` a port may return values still encoded. */
  transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  transaction(commands: readonly SentCommand[], form: 'wire' | undefined): Promise<WireReply[]>;
  usage(): RedisUsage;
}
