import { Cron } from 'croner';
import type { Broker } from './broker.js';
import { MAX_RETRIES, newId, readMessage, Refusal } from './message.js';

/** Limit of QStash's free plan (https://upstash.com/pricing/qstash). */
const MOST_SCHEDULES = 10;
/** Node fires longer timers at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A schedule; each of its messages is parsed from the same headers and body. */
interface QueueSchedule {
  readonly id: string;
  readonly cron: string;
  readonly destination: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly createdAt: number;
  paused: boolean;
  lastAt: number | null;
}

/** Keeps the schedules and publishes their messages: when due if `timed`, otherwise only by `fire`. */
export class ScheduleBook {
  private readonly schedules = new Map<string, QueueSchedule>();
  private readonly timers = new Map<string, NodeJS.Timeout>();

  constructor(
    private readonly broker: Broker,
    private readonly timed: boolean,
  ) {}

  /** Replaces a schedule with the same id. Throws a Refusal when QStash would refuse it. */
  create(destination: string, headers: Readonly<Record<string, string>>, body: Buffer): QueueSchedule {
    const cron = headers['upstash-cron'] ?? '';
    if (nextTime(cron) === null) throw new Refusal(400, 'invalid cron expression');
    // A schedule is refused for the same reasons as its messages.
    readMessage(destination, headers, body);
    const id = headers['upstash-schedule-id'] ?? newId('scd');
    if (!this.schedules.has(id) && this.schedules.size >= MOST_SCHEDULES)
      throw new Refusal(412, 'maximum number of schedules of the plan is reached');
    const schedule = { id, cron, destination, headers, body, createdAt: Date.now(), paused: false, lastAt: null };
    this.remove(id);
    this.schedules.set(id, schedule);
    this.wait(schedule);
    return schedule;
  }

  get(id: string): QueueSchedule | undefined {
    return this.schedules.get(id);
  }

  list(): QueueSchedule[] {
    return [...this.schedules.values()];
  }

  remove(id: string): boolean {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    return this.schedules.delete(id);
  }

  /** Publishes a message of this schedule now. Returns false when it is paused or does not exist. */
  fire(id: string): boolean {
    const schedule = this.schedules.get(id);
    if (schedule === undefined || schedule.paused) return false;
    schedule.lastAt = Date.now();
    this.broker.publish(readMessage(schedule.destination, schedule.headers, schedule.body));
    return true;
  }

  stop(): void {
    for (const id of [...this.schedules.keys()]) this.remove(id);
  }

  private wait(schedule: QueueSchedule): void {
    const next = nextTime(schedule.cron);
    if (!this.timed || next === null) return;
    const timer = setTimeout(
      () => {
        if (Date.now() >= next) this.fire(schedule.id);
        this.wait(schedule);
      },
      Math.min(LONGEST_TIMER_MS, Math.max(0, next - Date.now())),
    );
    this.timers.set(schedule.id, timer.unref());
  }
}

/** A schedule as `GET /v2/schedules/{id}` returns it (https://upstash.com/docs/qstash/api/schedules/get). */
export function viewSchedule(schedule: QueueSchedule): Record<string, unknown> {
  const { body, createdAt, cron, destination, headers, id, lastAt, paused } = schedule;
  return {
    scheduleId: id,
    cron,
    createdAt,
    destination,
    method: headers['upstash-method'] ?? 'POST',
    body: body.toString('utf8'),
    retries: Number(headers['upstash-retries'] ?? MAX_RETRIES),
    isPaused: paused,
    nextScheduleTime: nextTime(cron),
    ...(lastAt === null ? {} : { lastScheduleTime: lastAt }),
  };
}

/** The next time of a cron with five fields in UTC, or in the zone of a leading CRON_TZ; null if it is invalid. */
function nextTime(text: string): number | null {
  const [, zone = 'UTC', fields = ''] = /^(?:CRON_TZ=(\S+)\s+)?(.*)$/.exec(text.trim()) ?? [];
  if (fields.split(/\s+/).length !== 5) return null;
  try {
    return new Cron(fields, { timezone: zone, paused: true }).nextRun()?.getTime() ?? null;
  } catch {
    return null;
  }
}
