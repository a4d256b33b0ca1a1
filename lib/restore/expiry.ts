import { isDue, shiftExpiry, type ExpiryTime } from '../snapshot/expiry-time.js';
import type { RecordLine } from '../snapshot/record.js';
import type { ExpiryRule } from './model.js';

/** All times in milliseconds since the epoch. */
export interface ExpiryPlan {
  readonly rule: ExpiryRule;
  /** What `shift` adds: from the end of the snapshot to the beginning of the restore. */
  readonly shiftMs: number;
  /** What is over by now is not brought back; with `drop` nothing ever is. */
  readonly now: number;
  /** Whether fields whose time is over stay in the record: what compares excuses them one by one. Default false. */
  readonly keepsOver?: boolean;
}

/** Whether the key's time is over: it is not to be there any more. */
export function isExpired(line: RecordLine, plan: ExpiryPlan): boolean {
  return plan.rule !== 'drop' && line.x !== undefined && isDue(due(line.x, plan), plan.now);
}

/** The line with its key's and its fields' expiry as the rule has them; fields whose time is over are gone. */
export function withExpiry(line: RecordLine, plan: ExpiryPlan): RecordLine {
  if (line.fx === undefined && (line.x === undefined || plan.rule === 'keep')) return line;
  const { x, fx, ...rest } = line;
  if (plan.rule === 'drop') return rest;
  const kept = { ...rest, ...(x === undefined ? {} : { x: due(x, plan) }) };
  return fx === undefined ? kept : withFields(kept, fx, plan);
}

function withFields(line: RecordLine, fx: NonNullable<RecordLine['fx']>, plan: ExpiryPlan): RecordLine {
  const isOver = (time: ExpiryTime): boolean => plan.keepsOver !== true && isDue(due(time, plan), plan.now);
  const over = new Set(fx.filter(([, time]) => isOver(time)).map(([field]) => nameOf(field)));
  const pairs = line.v as readonly (readonly [unknown, unknown])[];
  const v = pairs.filter(([field]) => !over.has(nameOf(field))) as unknown as RecordLine['v'];
  const left = fx
    .filter(([field]) => !over.has(nameOf(field)))
    .map(([field, time]) => [field, due(time, plan)] as const);
  return { ...line, v, ...(left.length === 0 ? {} : { fx: left }) };
}

function nameOf(field: unknown): string {
  return JSON.stringify(field);
}

function due(time: ExpiryTime, { rule, shiftMs }: ExpiryPlan): ExpiryTime {
  return rule === 'shift' ? shiftExpiry(time, shiftMs) : time;
}
