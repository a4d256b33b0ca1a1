import type { Flow, Message } from './message.js';

/** Due messages of one flow-control key (or of none), in order, with the limits of the key. */
export class FlowQueue {
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
