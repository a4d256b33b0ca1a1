/** A record of one delivery. */
export interface DeliveryRecord {
  readonly messageId: string;
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** 0 for the first try of a message. */
  readonly retried: number;
  /** Whether this was the second of two deliveries of one try (fault `twice`). */
  readonly duplicate: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Status of the answer; 0 when there was none. */
  readonly status: number;
  /** Whether a good answer was discarded (fault `loseReply`). */
  readonly lost: boolean;
}

/** Faults. All times are real milliseconds, whatever the speed. */
export interface QstashFaults {
  /** Deliver every try twice: the second at the same time as the first, or after its answer. */
  readonly twice: 'together' | 'after' | null;
  /** Hold due messages for `holdMs` and deliver them in another order. */
  readonly order: 'random' | 'reversed' | null;
  readonly holdMs: number;
  /** Delay every delivery. */
  readonly delayMs: number;
  /** Whether the good answer to a delivery gets lost, so that the message is delivered again. */
  readonly loseReply: (delivery: Pick<DeliveryRecord, 'messageId' | 'body' | 'retried'>) => boolean;
  /** Answer publish and batch requests with this: `times` requests, or all without `times`. */
  readonly rejectPublish: PublishRejection | null;
  /** Whether one item of a batch fails while the others are accepted; `index` is its position in the batch. */
  readonly failItem: (item: { readonly index: number; readonly body: string }) => boolean;
}

export interface PublishRejection {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly times?: number;
}

const NO_FAULTS: QstashFaults = {
  twice: null,
  order: null,
  holdMs: 25,
  delayMs: 0,
  loseReply: () => false,
  rejectPublish: null,
  failItem: () => false,
};

/** The active faults, and how often a rejection still applies. */
export class FaultBox {
  private faults: QstashFaults;

  constructor(faults: Partial<QstashFaults>) {
    this.faults = { ...NO_FAULTS, ...faults };
  }

  readonly get = (): QstashFaults => this.faults;

  set(changed: Partial<QstashFaults>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The rejection for this publish request, which uses up one of its times; null for none. */
  takeRejection(): PublishRejection | null {
    const { rejectPublish } = this.faults;
    if (rejectPublish?.times === undefined) return rejectPublish;
    if (rejectPublish.times <= 0) return null;
    this.set({ rejectPublish: { ...rejectPublish, times: rejectPublish.times - 1 } });
    return rejectPublish;
  }
}
