import { isNativeError } from 'node:util/types';
import {
  mayRead,
  mayWrite,
  translate,
  type EngineCommand,
  type Refused,
  encodeError,
  encodeReply,
  sizeOf,
  type Encoding,
  type RawReply,
  type Command,
  type RestRequest,
} from './protocol.js';
import type { Engine } from './engine.js';

const WINDOW_MS = 1000;

/** Takes commands from the allowance; returns false and takes nothing when they exceed it. */
type CommandLimiter = (commands: number) => boolean;

/** Allows `perSecond` commands within any second. */
export function commandLimiter(perSecond: number, now: () => number): CommandLimiter {
  const taken: { readonly at: number; readonly commands: number }[] = [];
  let sum = 0;
  return (commands) => {
    const from = now() - WINDOW_MS;
    while (taken[0] !== undefined && taken[0].at <= from) sum -= taken.shift()?.commands ?? 0;
    if (sum + commands > perSecond) return false;
    taken.push({ at: now(), commands });
    sum += commands;
    return true;
  };
}

export interface Answer {
  readonly status: number;
  readonly json: string;
}

export interface Counts {
  requests: number;
  commands: number;
  writes: number;
  throttled: number;
}

export interface Execution {
  readonly engine: Engine;
  readonly counts: Counts;
  readonly limitBytes: number;
  readonly mayRun: CommandLimiter;
  readonly readOnly: boolean;
  readonly encoding: Encoding;
}

export function refusal(status: number, message: string): Answer {
  return { status, json: encodeError(message) };
}

export function sizeError(limit: number, actual: number): string {
  return `ERR max request size exceeded. Limit: ${limit} bytes, Actual: ${actual} bytes`;
}

/** Runs a parsed request and returns the HTTP answer. */
export async function execute(request: RestRequest, run: Execution): Promise<Answer> {
  if (!run.mayRun(request.commands.length)) {
    run.counts.throttled += 1;
    return refusal(429, 'ERR too many commands per second');
  }
  run.counts.commands += request.commands.length;
  const commands = request.commands.map((command) => checkCommand(command, run));
  const runnable = commands.filter((command): command is EngineCommand => !('refused' in command));
  const refused = commands.find((command) => 'refused' in command);
  if (request.mode === 'transaction' && refused !== undefined) return refusal(400, refused.refused);
  run.counts.writes += runnable.filter((command) => mayWrite(command, run.engine.flags)).length;
  const replies =
    request.mode === 'transaction' ? await run.engine.transaction(runnable) : await run.engine.pipeline(runnable);
  if (isNativeError(replies)) return refusal(400, replies.message);
  let next = 0;
  const items = commands.map((command) =>
    'refused' in command
      ? { reply: new Error(command.refused), name: '' }
      : { reply: replies[next++] ?? null, name: command.reported },
  );
  return assemble(items, request.mode, run);
}

function checkCommand(command: Command, run: Execution): EngineCommand | Refused {
  const translated = translate(command);
  if ('refused' in translated || !run.readOnly || mayRead(translated, run.engine.flags)) return translated;
  const name = translated.reported.toLowerCase();
  return { refused: `NOPERM this user has no permissions to run the '${name}' command or its subcommand` };
}

function assemble(
  items: readonly { readonly reply: RawReply; readonly name: string }[],
  mode: RestRequest['mode'],
  run: Execution,
): Answer {
  let total = 0;
  let json = '';
  for (const { reply, name } of items) {
    const size = sizeOf(reply);
    const tooLarge = size > run.limitBytes;
    if (!tooLarge) total += size;
    const item = tooLarge ? encodeError(sizeError(run.limitBytes, size)) : encodeReply(reply, name, run.encoding);
    json += (json === '' ? '' : ',') + item;
  }
  if (total > run.limitBytes) return refusal(400, sizeError(run.limitBytes, total));
  if (mode !== 'single') return { status: 200, json: `[${json}]` };
  return { status: json.startsWith('{"error":') ? 400 : 200, json };
}
