import { AppError } from '../errors.js';
import { keysIn, type PlanPorts, type ProviderRestorePlan } from './plan.js';

interface WaitOptions {
  readonly interrupt: AbortSignal;
  /** Why it is not known whether the restore began; null when it did. */
  readonly doubt: AppError | null;
  /** Called at every look. */
  readonly keep: () => Promise<void>;
  /** What to do when the end is not seen. */
  readonly hint: string;
}

const POLL_MS = 3_000;
const PATIENCE_MS = 60 * 60_000;
/** Looks in a row at which nothing is under way and the number of keys stays: it is over. */
const QUIET_POLLS = 3;
/** The same where what is seen is not what should be: nothing begun, or nothing in it. */
const DOUBTFUL_POLLS = 10;

interface Observation {
  readonly busy: boolean;
  readonly keys: number | null;
}

/**
 * Waits for the end of a restore at Upstash, and gives the number of keys then: null where the database is not ours or
 * does not answer. Upstash does not say when a restore is over: it is when nothing is under way any more, and the number
 * of keys stays. Throws `interrupted`, and `upstash-unavailable` when the end is not seen within an hour, or nothing is
 * seen of one that is in doubt.
 */
export async function awaitRestore(
  ports: PlanPorts,
  plan: ProviderRestorePlan,
  watch: WaitOptions,
): Promise<number | null> {
  const { clock } = ports;
  const since = clock.now();
  let quiet = 0;
  let sure = watch.doubt === null;
  let last: Observation = { busy: true, keys: null };
  for (;;) {
    if (clock.now() - since > PATIENCE_MS) throw unseen('upstash-unavailable', 'is not over after an hour', watch);
    if (watch.interrupt.aborted) throw unseen('interrupted', 'is no longer watched', watch);
    await watch.keep();
    const now = await observe(ports, plan);
    sure ||= now.busy;
    quiet = !now.busy && now.keys === last.keys ? quiet + 1 : 0;
    last = now;
    const isOdd = !sure || (now.keys === 0 && (plan.backup.bytes ?? 0) > 0);
    if (quiet >= (isOdd ? DOUBTFUL_POLLS : QUIET_POLLS)) break;
    await clock.sleep(POLL_MS, watch.interrupt);
  }
  if (sure) return last.keys;
  throw unseen('upstash-unavailable', 'may have begun: the answer was lost, and nothing is seen of it', watch);
}

/** What cannot be asked just now counts as under way. */
async function observe({ account, redis }: PlanPorts, { database, ours }: ProviderRestorePlan): Promise<Observation> {
  try {
    const { busy, state } = await account.database(database.id);
    return { busy: busy !== null || state !== 'active', keys: ours ? await keysIn(redis) : null };
  } catch (error) {
    if (error instanceof AppError && error.transient) return { busy: true, keys: null };
    throw error;
  }
}

function unseen(code: 'interrupted' | 'upstash-unavailable', what: string, { doubt, hint }: WaitOptions): AppError {
  return new AppError(code, `The restore at Upstash ${what}`, { hint, ...(doubt === null ? {} : { cause: doubt }) });
}
