import type { Flow, Message } from './message.js';
import type { QstashFaults } from './courier.js';

/** Due messages of one flow-control key (or of none), in order, with the limits of the key. */
class FlowQueue {
  private readonly waiting: Message[] = [];
  private readonly starts: number[] = [];
  private limits: Flow | null = null;
  private active = 0;

  /** `speed` shortens the period of a rate. */
  constructor(private readonly speed: number) {}

  /** As with the vendor, the latest limits apply to the whole key. */
  add(message: Message): void {
    this.limits = message.flow;
    this.waiting.push(message);
  }

  remove(id: string): void {
    const index = this.waiting.findIndex((message) => message.id === id);
    if (index >= 0) this.waiting.splice(index, 1);
  }

  /** The next message that may start, or null. It counts as active until `done`. */
  take(now: number): Message | null {
    if (this.waiting.length === 0 || this.waitFor(now) > 0) return null;
    if (this.active >= (this.limits?.parallelism ?? Infinity)) return null;
    this.active++;
    if (this.limits?.rate != null) this.starts.push(now);
    return this.waiting.shift() ?? null;
  }

  done(): void {
    this.active--;
  }

  /** Milliseconds until the rate allows the next message; 0 when it does now or when no message waits. */
  waitFor(now: number): number {
    const rate = this.limits?.rate ?? null;
    if (rate === null || this.limits === null || this.waiting.length === 0) return 0;
    const period = this.limits.periodMs / this.speed;
    while (this.starts.length > rate) this.starts.shift();
    const first = this.starts.length < rate ? undefined : this.starts[0];
    return first === undefined ? 0 : Math.max(0, first + period - now);
  }
}

interface ScheduleOptions {
  readonly faults: () => QstashFaults;
  readonly speed: number;
  readonly parallelism: number;
  readonly random: () => number;
  /** Runs one try of a message; must not reject. */
  readonly start: (message: Message) => Promise<void>;
}

/** Decides when a message is delivered, by its delay, the limits of its flow-control key, and the overall limit. */
export class Schedule {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly flows = new Map<string, FlowQueue>();
  private held: Message[] = [];
  private active = 0;
  private rateTimer: NodeJS.Timeout | undefined;
  private holdTimer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly options: ScheduleOptions) {}

  /** Makes the message due after `waitMs` of the vendor's time and the fault's delay in real time. */
  after(message: Message, waitMs: number): void {
    const wait = waitMs / this.options.speed + this.options.faults().delayMs;
    this.later(message.id, wait, () => this.due(message));
  }

  remove(id: string): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    this.held = this.held.filter((message) => message.id !== id);
    for (const flow of this.flows.values()) flow.remove(id);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    clearTimeout(this.rateTimer);
    clearTimeout(this.holdTimer);
  }

  private later(id: string, ms: number, call: () => void): void {
    if (this.stopped) return;
    const timer = setTimeout(() => {
      this.timers.delete(id);
      call();
    }, ms);
    this.timers.set(id, timer);
  }

  private due(message: Message): void {
    if (this.options.faults().order === null) {
      this.enqueue([message]);
      return;
    }
    this.held.push(message);
    this.holdTimer ??= setTimeout(() => this.release(), this.options.faults().holdMs);
  }

  private release(): void {
    const held = this.held;
    this.held = [];
    this.holdTimer = undefined;
    const reversed = this.options.faults().order === 'reversed';
    const placed = held.map((message, index) => ({ message, place: reversed ? -index : this.options.random() }));
    this.enqueue(placed.sort((a, b) => a.place - b.place).map(({ message }) => message));
  }

  private enqueue(messages: readonly Message[]): void {
    for (const message of messages) {
      // The prefix distinguishes an empty key from no key.
      const key = message.flow === null ? '' : `key:${message.flow.key}`;
      const flow = this.flows.get(key) ?? new FlowQueue(this.options.speed);
      this.flows.set(key, flow);
      flow.add(message);
    }
    this.pump();
  }

  /** Starts all messages that may start, one of each key in turn so that no key starves the others. */
  private pump(): void {
    let started = true;
    while (started && !this.stopped) {
      started = false;
      for (const flow of this.flows.values()) {
        if (this.active >= this.options.parallelism) return;
        const message = flow.take(Date.now());
        if (message === null) continue;
        started = true;
        void this.run(message, flow);
      }
    }
    this.waitForRates();
  }

  private async run(message: Message, flow: FlowQueue): Promise<void> {
    this.active++;
    await this.options.start(message);
    this.active--;
    flow.done();
    this.pump();
  }

  private waitForRates(): void {
    clearTimeout(this.rateTimer);
    const waits = [...this.flows.values()].map((flow) => flow.waitFor(Date.now())).filter((wait) => wait > 0);
    if (waits.length > 0 && !this.stopped) this.rateTimer = setTimeout(() => this.pump(), Math.min(...waits) + 1);
  }
}
