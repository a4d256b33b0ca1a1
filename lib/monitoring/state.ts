import { z } from 'zod';
import { assertBelieved, passOver } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';

const STATE_NAME = 'guard/state.json';
/** For every further database in the same store: each has its own guard and findings. */
const stateNameOf = (source: string): string => `guard/state-${source.slice(0, 16)}.json`;

const alertSchema = z.object({
  /** A code unknown to this version is kept and shown. */
  code: z.string(),
  subject: z.string(),
  message: z.string(),
  hint: z.string(),
  /** Digest of a message that names one event: see `digestOf`. Absent in states of earlier versions. */
  digest: z.string().optional(),
  /** When it opened. */
  since: z.string(),
  /** When a message about it was last sent; null when none was. */
  lastSentAt: z.string().nullable(),
  /** When it was found resolved; the alert is kept until the recovery is sent. Null while it lasts. */
  resolvedAt: z.string().nullable(),
  /** Why an operator ended the alert although its cause lasts; absent if the cause is gone. */
  reason: z.string().optional(),
  /** The process that is sending a message about it, and until when no other process does. */
  claim: z
    .object({
      by: z.string(),
      event: z.enum(['opened', 'reminder', 'recovered']),
      until: z.string(),
      /** Idempotency key of the message: a copy after an unknown outcome has the same key. Absent in states of earlier versions. */
      key: z.string().optional(),
    })
    .nullable(),
});
export type Alert = z.infer<typeof alertSchema>;

/** An operator has acknowledged an alert: it is closed until `until`, or until its message changes. */
const acknowledgementSchema = z.object({
  code: z.string(),
  subject: z.string(),
  reason: z.string(),
  at: z.string(),
  /** Null: as long as the condition lasts. */
  until: z.string().nullable(),
  /** The alert's message, if it names one event: another message opens the alert again. Null if the message changes daily. */
  message: z.string().nullable(),
  /** Digest of that message: see `digestOf`. Absent in states of earlier versions. */
  digest: z.string().optional(),
});
export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

/** Outcome of the last alert messages. */
const deliverySchema = z.object({
  /** Where messages were sent (`Alerter.address`); null in states of earlier versions. */
  to: z.string().nullable().default(null),
  lastSentAt: z.string().nullable(),
  /** The last message that failed or has an unknown outcome; null once a later message has arrived. */
  lastFailure: z
    .object({
      at: z.string(),
      outcome: z.enum(['failed', 'unknown']),
      code: z.string(),
      message: z.string(),
      hint: z.string(),
    })
    .nullable(),
});
export type DeliveryState = z.infer<typeof deliverySchema>;

const failureSchema = z.object({ code: z.string(), message: z.string(), hint: z.string() });
const stepSchema = z.object({
  name: z.string(),
  state: z.enum(['done', 'failed']),
  summary: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  error: failureSchema.nullable(),
});
/** One step of the guard and its outcome. */
export type Step = z.infer<typeof stepSchema>;

const checkSchema = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warn', 'fail', 'skipped']),
  detail: z.string(),
  hint: z.string().nullable(),
});

/** Who called the guard: Vercel's cron, the queue's schedule, or an operator by hand. */
export const CALLERS = ['cron', 'schedule', 'operator'] as const;
export type Caller = (typeof CALLERS)[number];
const callerSchema = z.object({
  /** When a guard first expected its call, or first received one. */
  since: z.string(),
  /** When it called last; null when it never did. */
  lastAt: z.string().nullable(),
});
const callersSchema = z.object({
  cron: callerSchema.nullable().default(null),
  schedule: callerSchema.nullable().default(null),
  operator: callerSchema.nullable().default(null),
});
export type Callers = z.infer<typeof callersSchema>;

export const ANSWER_STATES = ['ok', 'not-ok', 'unknown'] as const;
export type AnswerState = (typeof ANSWER_STATES)[number];

/** A service as the last check found it. */
const serviceSchema = z.object({
  name: z.string(),
  state: z.enum(ANSWER_STATES),
  /** Since when it has been found in this state. */
  since: z.string(),
  checkedAt: z.string(),
  by: z.string(),
  /** The check that failed or reached no verdict; null when it is ok. */
  check: z.string().nullable(),
  reason: z.string().nullable(),
  hint: z.string().nullable(),
});
export type ServiceRecord = z.infer<typeof serviceSchema>;

/** The state of an answer of the status at its last evaluation, and since when it has had this state. */
const answerSchema = z.object({ state: z.enum(ANSWER_STATES), since: z.string(), at: z.string() });
const answersSchema = z.object({
  recoverable: answerSchema,
  recoveryTime: answerSchema,
  watched: answerSchema,
  services: answerSchema,
});
export type RecordedAnswers = z.infer<typeof answersSchema>;

/** Outcome of the last ping to the watchdog. */
const heartbeatSchema = z.object({ at: z.string(), error: failureSchema.nullable() });
export type HeartbeatState = z.infer<typeof heartbeatSchema>;

/** `guard/state.json`: the guard's last findings and the open alerts. Swapped by etag. */
const stateSchema = z.object({
  version: z.literal(1),
  /** Source of the database; null in states of earlier versions, and if none is configured. */
  source: z.string().nullable().default(null),
  lastRunAt: z.string().nullable(),
  /** `ok`; `alerts`: some are open; `failed`: a step of the guard itself failed. */
  outcome: z.enum(['ok', 'alerts', 'failed']).nullable(),
  steps: z.array(stepSchema),
  checkedAt: z.string().nullable(),
  checks: z.array(checkSchema),
  alerts: z.array(alertSchema),
  acknowledged: z.array(acknowledgementSchema).default([]),
  delivery: deliverySchema.default({ to: null, lastSentAt: null, lastFailure: null }),
  callers: callersSchema.default({ cron: null, schedule: null, operator: null }),
  services: z.array(serviceSchema).default([]),
  answers: answersSchema.nullable().default(null),
  heartbeat: heartbeatSchema.nullable().default(null),
  /** When a reported outage of the store was last found to be over; null when there was none. */
  storeBackAt: z.string().nullable().default(null),
});
export type GuardState = z.infer<typeof stateSchema>;

const EMPTY = stateSchema.parse({
  version: 1,
  lastRunAt: null,
  outcome: null,
  steps: [],
  checkedAt: null,
  checks: [],
  alerts: [],
});

/**
 * The guard's state of one database. `own`: the database's source; null if none is configured: the first state is then read.
 * Without a readable state nothing is known, and alerts are sent again.
 */
export async function readState(store: ObjectStore, own: string | null): Promise<GuardState> {
  const { found, name, state } = await load(store, own);
  if (found !== null && state === EMPTY) passOver(store, name, found);
  return state;
}

/** Like `readState`, but throws `wrong-key` for a state that is stored and not believed, in place of an empty one. */
export async function readBelievedState(store: ObjectStore, own: string | null): Promise<GuardState> {
  const { name, state } = await load(store, own);
  await assertBelieved(store, name);
  return state;
}

/**
 * Changes the state in one swap. After a concurrent write, `change` is called again with the new state; if it returns its
 * argument, nothing is written. A state that is not believed is replaced unless `keepsUnbelieved` is true: then `wrong-key`
 * is thrown. Only the evaluation of all alerts, which finds everything again, may replace it.
 */
export async function changeState(
  store: ObjectStore,
  own: string | null,
  change: (state: GuardState) => GuardState,
  { keepsUnbelieved = false } = {},
): Promise<GuardState> {
  let after = EMPTY;
  /** Returns true if the object belongs to another database; it is then left unchanged. */
  const changeAt = async (name: string): Promise<boolean> => {
    let isOther = false;
    await updateObject(store, name, "The guard's record", async (found) => {
      if (keepsUnbelieved) await assertBelieved(store, name);
      const before = found === null ? EMPTY : (parseStored(stateSchema, found.body) ?? EMPTY);
      isOther = name === STATE_NAME && isOfOtherDatabase(before, own);
      if (isOther) return null;
      const changed = change(before);
      after = changed === before ? before : { ...changed, source: own ?? before.source };
      return after === before ? null : encodeJson(after);
    });
    return isOther;
  };
  if ((await changeAt(STATE_NAME)) && own !== null) await changeAt(stateNameOf(own));
  return after;
}

interface Loaded {
  readonly name: string;
  readonly found: StoredBody | null;
  readonly state: GuardState;
}

/** The first database of a store uses the plain name, as all did in earlier versions. */
async function load(store: ObjectStore, own: string | null): Promise<Loaded> {
  const first = await loadFrom(store, STATE_NAME);
  return own !== null && isOfOtherDatabase(first.state, own) ? loadFrom(store, stateNameOf(own)) : first;
}

function isOfOtherDatabase({ source }: GuardState, own: string | null): boolean {
  return own !== null && source !== null && source !== own;
}

async function loadFrom(store: ObjectStore, name: string): Promise<Loaded> {
  const found = await store.read(name);
  return { name, found, state: found === null ? EMPTY : (parseStored(stateSchema, found.body) ?? EMPTY) };
}
