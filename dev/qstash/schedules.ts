import { Cron } from 'croner';
import type { Broker } from './broker.js';
import { MAX_RETRIES, newId, readMessage, Refusal } from './message.js';

/** Limit of QStash's free plan (https://upstash.com/pricing/qstash). */
const MOST_SCHEDULES = 10;
/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A schedule as it was made; each of its messages is read from the same headers and body. */
export interface StandingOrder {
  readonly id: string;
  readonly cron: string;
  readonly destination: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly createdAt: number;
  paused: boolean;
  lastAt: number | null;
}

/** Keeps the schedules, and publishes a message for each whose time has come; or only when told, when not `timed`. */
export class ScheduleBook {
  private readonly orders = new Map<string, StandingOrder>();
  private readonly timers = new Map<string, NodeJS.Timeout>();

  constructor(
    private readonly broker: Broker,
    private readonly timed: boolean,
  ) {}

  /** One of the same id gives way. Throws a Refusal on what QStash would not take. */
  create(destination: string, headers: Readonly<Record<string, string>>, body: Buffer): StandingOrder {
    const cron = headers['upstash-cron'] ?? '';
    if (nextTime(cron) === null) throw new Refusal(400, 'invalid cron expression');
    // What a message would be refused for, a schedule of such messages is.
    readMessage(destination, headers, body);
    const id = headers['upstash-schedule-id'] ?? newId('scd');
    if (!this.orders.has(id) && this.orders.size >= MOST_SCHEDULES)
      throw new Refusal(412, 'maximum number of schedules of the plan is reached');
    const order = { id, cron, destination, headers, body, createdAt: Date.now(), paused: false, lastAt: null };
    this.remove(id);
    this.orders.set(id, order);
    this.wait(order);
    return order;
  }

  get(id: string): StandingOrder | undefined {
    return this.orders.get(id);
  }

  list(): StandingOrder[] {
    return [...this.orders.values()];
  }

  remove(id: string): boolean {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    return this.orders.delete(id);
  }

  /** Publishes a message of this schedule now, unless it is paused or not there. Returns whether it did. */
  fire(id: string): boolean {
    const order = this.orders.get(id);
    if (order === undefined || order.paused) return false;
    order.lastAt = Date.now();
    this.broker.publish(readMessage(order.destination, order.headers, order.body));
    return true;
  }

  stop(): void {
    for (const id of [...this.orders.keys()]) this.remove(id);
  }

  private wait(order: StandingOrder): void {
    const next = nextTime(order.cron);
    if (!this.timed || next === null) return;
    const timer = setTimeout(
      () => {
        if (Date.now() >= next) this.fire(order.id);
        this.wait(order);
      },
      Math.min(LONGEST_TIMER_MS, Math.max(0, next - Date.now())),
    );
    this.timers.set(order.id, timer.unref());
  }
}

/** As `GET /v2/schedules/{id}` shows it (https://upstash.com/docs/qstash/api/schedules/get). */
export function viewSchedule(order: StandingOrder): Record<string, unknown> {
  const { body, createdAt, cron, destination, headers, id, lastAt, paused } = order;
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

/** Five fields in UTC, or in the zone of a CRON_TZ in front of them; null for what is none. */
function nextTime(text: string): number | null {
  const [, zone = 'UTC', fields = ''] = /^(?:CRON_TZ=(\S+)\s+)?(.*)$/.exec(text.trim()) ?? [];
  if (fields.split(/\s+/).length !== 5) return null;
  try {
    return new Cron(fields, { timezone: zone, paused: true }).nextRun()?.getTime() ?? null;
  } catch {
    return null;
  }
}
