import { isDue, shiftExpiry, type ExpiryTime, type RecordLine } from '../snapshot/record.js';
import type { ExpiryRule } from './model.js';

/** All times in milliseconds since the epoch. */
export interface ExpiryPlan {
  readonly rule: ExpiryRule;
  /** What rule `shift` adds: the time from the end of the snapshot to the start of the restore. */
  readonly shiftMs: number;
  /** Data that expired by now are not restored; with rule `drop` nothing expires. */
  readonly now: number;
  /** Whether expired fields stay in the record: the comparison excuses them one by one. Default false. */
  readonly keepsOver?: boolean;
}

/** Whether the key has expired and must not be in the target. */
export function isExpired(line: RecordLine, plan: ExpiryPlan): boolean {
  return plan.rule !== 'drop' && line.x !== undefined && isDue(expiryUnder(line.x, plan), plan.now);
}

/** The line with the expiry of its key and fields as the rule gives it; expired fields are removed. */
export function withExpiry(line: RecordLine, plan: ExpiryPlan): RecordLine {
  if (line.fx === undefined && (line.x === undefined || plan.rule === 'keep')) return line;
  const { x, fx, ...rest } = line;
  if (plan.rule === 'drop') return rest;
  const kept = { ...rest, ...(x === undefined ? {} : { x: expiryUnder(x, plan) }) };
  return fx === undefined ? kept : withFields(kept, fx, plan);
}

function withFields(line: RecordLine, fx: NonNullable<RecordLine['fx']>, plan: ExpiryPlan): RecordLine {
  const isOver = (time: ExpiryTime): boolean => plan.keepsOver !== true && isDue(expiryUnder(time, plan), plan.now);
  const over = new Set(fx.filter(([, time]) => isOver(time)).map(([field]) => nameOf(field)));
  const pairs = line.v as readonly (readonly [unknown, unknown])[];
  const v = pairs.filter(([field]) => !over.has(nameOf(field))) as unknown as RecordLine['v'];
  const left = fx
    .filter(([field]) => !over.has(nameOf(field)))
    .map(([field, time]) => [field, expiryUnder(time, plan)] as const);
  return { ...line, v, ...(left.length === 0 ? {} : { fx: left }) };
}

function nameOf(field: unknown): string {
  return JSON.stringify(field);
}

function expiryUnder(time: ExpiryTime, { rule, shiftMs }: ExpiryPlan): ExpiryTime {
  return rule === 'shift' ? shiftExpiry(time, shiftMs) : time;
}
