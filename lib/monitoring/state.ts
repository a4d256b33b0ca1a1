import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';

const STATE_NAME = 'guard/state.json';
/** Of every further database that is saved in the same store: each has a guard, and what one finds says nothing of another. */
const stateNameOf = (source: string): string => `guard/state-${source.slice(0, 16)}.json`;

const alertSchema = z.object({
  /** One that this version does not know is kept and shown. */
  code: z.string(),
  subject: z.string(),
  message: z.string(),
  hint: z.string(),
  /** Of the message, where that names one event: see `digestOf`. Absent in states of earlier versions. */
  digest: z.string().optional(),
  /** When it opened. */
  since: z.string(),
  /** When it was last told of; null when it never was. */
  lastSentAt: z.string().nullable(),
  /** When it was found to be over; it stays until that was told. Null while it lasts. */
  resolvedAt: z.string().nullable(),
  /** Why an operator ended it although it lasts; absent where it is over by itself. */
  reason: z.string().optional(),
  /** Who is about to tell of it, and until when nobody else does. */
  claim: z
    .object({
      by: z.string(),
      event: z.enum(['opened', 'reminder', 'recovered']),
      until: z.string(),
      /** Of the message: a copy after an unknown end carries the same. Absent in states of earlier versions. */
      key: z.string().optional(),
    })
    .nullable(),
});
export type Alert = z.infer<typeof alertSchema>;

/** An operator's word that an alert is known. It is then open no longer, until `until` or until its message changes. */
const acknowledgementSchema = z.object({
  code: z.string(),
  subject: z.string(),
  reason: z.string(),
  at: z.string(),
  /** Null: as long as what it is about lasts. */
  until: z.string().nullable(),
  /** What the alert said, where its words stand for one event: another one opens it again. Null where they change daily. */
  message: z.string().nullable(),
  /** Of that message: see `digestOf`. Absent in states of earlier versions. */
  digest: z.string().optional(),
});
export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

/** How the channel of alerts did. */
const deliverySchema = z.object({
  /** Where to, as `Alerter.address` has it; null in states of earlier versions. */
  to: z.string().nullable().default(null),
  lastSentAt: z.string().nullable(),
  /** Of the last message that did not arrive, or of which it is not known; null once one arrived after it. */
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
export const stepSchema = z.object({
  name: z.string(),
  state: z.enum(['done', 'failed']),
  summary: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  error: failureSchema.nullable(),
});
/** One step of the guard, and what came of it. */
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
  /** When a guard first found that it is to call, or first heard of it. */
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

/** A service as whoever tried it last found it. */
const serviceSchema = z.object({
  name: z.string(),
  state: z.enum(ANSWER_STATES),
  /** Since when it has been found in this state. */
  since: z.string(),
  checkedAt: z.string(),
  by: z.string(),
  /** The check that failed, or could not tell; null when it is ok. */
  check: z.string().nullable(),
  reason: z.string().nullable(),
  hint: z.string().nullable(),
});
export type ServiceRecord = z.infer<typeof serviceSchema>;

/** Since when each answer of the status has been what it is, and whether it was so when it was last evaluated. */
const answerSchema = z.object({ state: z.enum(ANSWER_STATES), since: z.string(), at: z.string() });
const answersSchema = z.object({
  recoverable: answerSchema,
  recoveryTime: answerSchema,
  watched: answerSchema,
  services: answerSchema,
});
export type RecordedAnswers = z.infer<typeof answersSchema>;

/** How the last ping to the watchdog went. */
const heartbeatSchema = z.object({ at: z.string(), error: failureSchema.nullable() });
export type HeartbeatState = z.infer<typeof heartbeatSchema>;

/** `guard/state.json`: what the guard saw last, and the alerts that are open. Swapped by etag. */
const stateSchema = z.object({
  version: z.literal(1),
  /** Of the database that it is about; null in states of earlier versions, and where none is configured. */
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
  /** When the end of an outage of the store was found last that had been told; null when none was. */
  storeBackAt: z.string().nullable().default(null),
});
export type GuardState = z.infer<typeof stateSchema>;

const NOTHING: GuardState = {
  version: 1,
  source: null,
  lastRunAt: null,
  outcome: null,
  steps: [],
  checkedAt: null,
  checks: [],
  alerts: [],
  acknowledged: [],
  delivery: { to: null, lastSentAt: null, lastFailure: null },
  callers: { cron: null, schedule: null, operator: null },
  services: [],
  answers: null,
  heartbeat: null,
  storeBackAt: null,
};

/**
 * The state of the guard of one database. `own`: its source; null where none is configured: then the first that there is.
 * Where there is none, or one that cannot be read, nothing is known: alerts are then told again.
 */
export async function readState(store: ObjectStore, own: string | null): Promise<GuardState> {
  const { found, name, state } = await load(store, own);
  if (found !== null && state === NOTHING) passOver(store, name, found);
  return state;
}

/**
 * Changes the state in one swap. `change` is called again when somebody else was faster, with what they wrote; when it
 * returns what it was given, nothing is written.
 */
export async function changeState(
  store: ObjectStore,
  own: string | null,
  change: (state: GuardState) => GuardState,
): Promise<GuardState> {
  let after = NOTHING;
  /** True where the object is another database's, and was left as it is. */
  const changeAt = async (name: string): Promise<boolean> => {
    let taken = false;
    await updateObject(store, name, "The guard's record", (found) => {
      const before = found === null ? NOTHING : parse(found.body);
      taken = name === STATE_NAME && isAnothers(before, own);
      if (taken) return null;
      const changed = change(before);
      after = changed === before ? before : { ...changed, source: own ?? before.source };
      return after === before ? null : encodeJson(after);
    });
    return taken;
  };
  if ((await changeAt(STATE_NAME)) && own !== null) await changeAt(stateNameOf(own));
  return after;
}

interface Loaded {
  readonly name: string;
  readonly found: StoredBody | null;
  readonly state: GuardState;
}

/** The first database of a store has the plain name, as every one had in earlier versions. */
async function load(store: ObjectStore, own: string | null): Promise<Loaded> {
  const first = await loadFrom(store, STATE_NAME);
  return own !== null && isAnothers(first.state, own) ? loadFrom(store, stateNameOf(own)) : first;
}

function isAnothers({ source }: GuardState, own: string | null): boolean {
  return own !== null && source !== null && source !== own;
}

async function loadFrom(store: ObjectStore, name: string): Promise<Loaded> {
  const found = await store.read(name);
  return { name, found, state: found === null ? NOTHING : parse(found.body) };
}

function parse(body: Buffer): GuardState {
  try {
    return stateSchema.parse(renamed(decodeJson(body)));
  } catch {
    return NOTHING;
  }
}

/** Alerts that an earlier version opened under a name that is no longer used, so that what is open stays known. */
const RENAMED: Readonly<Record<string, string>> = { 'snapshot-suspicious': 'snapshot-doubtful' };

function renamed(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || !('alerts' in state) || !Array.isArray(state.alerts)) return state;
  const alerts = (state.alerts as unknown[]).map((alert) => {
    const code = typeof alert === 'object' && alert !== null && 'code' in alert ? String(alert.code) : '';
    return Object.hasOwn(RENAMED, code) ? { ...(alert as object), code: RENAMED[code] } : alert;
  });
  return { ...state, alerts };
}
