import { pMapIterable } from 'p-map';
import { toAppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import type { Leg, Progress, StepOutcome } from '../../runs/model.js';
import { addUsage, parseCheckpoint, type SnapshotCheckpoint } from '../checkpoint.js';
import type { Part } from '../manifest.js';
import { probeFieldExpiry } from '../read/field-expiry.js';
import type { SnapshotSettings } from '../settings.js';
import { consumePage, consumePaged } from './consume.js';
import { loadPage, READS_PER_SCAN, scanPages, type LoadedPage } from './pages.js';
import { openSink, type PartSink } from './sink.js';

export type ScanPorts = Pick<Ports, 'clock' | 'redis' | 'sealer' | 'store'>;

const MIN_PAGE = 4;
const MAX_PAGE = 1000;

/**
 * One leg of reading the database into parts. Everything between two checkpoints may be done again by a later leg: the
 * checkpoint names the parts that count and the cursor after the last page in them.
 */
export async function scanStep(ports: ScanPorts, settings: SnapshotSettings, leg: Leg): Promise<StepOutcome> {
  const first = await prepare(ports, settings, parseCheckpoint(leg.run.checkpoint));
  const sink = openSink({ ...ports, snapshot: leg.run.id, fence: leg.fence, firstIndex: first.parts.length });
  const work = new ScanWork(ports, settings, leg, sink, first);
  try {
    await work.run();
  } catch (error) {
    // A part that is still on its way would save a checkpoint under the feet of the next leg.
    await sink.settle().catch(() => undefined);
    throw error;
  }
  const checkpoint = await work.finish();
  const progress = progressOf(checkpoint, checkpoint.parts, 0, 0);
  if (checkpoint.cursor !== null || checkpoint.paged.length > 0) return { to: 'later', checkpoint, progress };
  return { to: 'phase', phase: 'check', tasks: checkpoint.parts.length, checkpoint, progress };
}

class ScanWork {
  private readonly spentBefore;
  private readonly spentByOthers;
  private parts: readonly Part[];

  constructor(
    private readonly ports: ScanPorts,
    private readonly settings: SnapshotSettings,
    private readonly leg: Leg,
    private readonly sink: PartSink,
    private state: SnapshotCheckpoint,
  ) {
    this.spentBefore = ports.redis.usage();
    this.spentByOthers = state.spent;
    this.parts = state.parts;
  }

  /** Works until SCAN has come round and the list of big keys is empty, or time is up. */
  async run(): Promise<void> {
    const { redis } = this.ports;
    await this.workOffPaged();
    if (this.state.cursor === null || this.leg.timeIsUp()) return;
    for await (const page of this.pages(this.state.cursor)) {
      this.stopIfLost();
      this.state = await consumePage(redis, this.sink, this.state, page);
      // Within a SCAN reply the checkpoint would name its beginning: what is saved there is read again.
      if (!page.mayStop) continue;
      await this.cutIfFull();
      await this.workOffPaged();
      if (this.leg.timeIsUp()) return;
    }
  }

  /** Stores what is open and returns the checkpoint that covers everything. */
  async finish(): Promise<SnapshotCheckpoint> {
    if (this.sink.openBytes > 0) await this.cut();
    await this.sink.settle();
    const [size] = await this.ports.redis.pipeline([['DBSIZE']]);
    const after = size !== undefined && 'value' in size ? Number(size.value) : 0;
    const to = new Date(this.ports.clock.now()).toISOString();
    const window = { ...this.state.window, to };
    return { ...this.checkpoint(this.state, this.parts), window, dbsize: { ...this.state.dbsize, after } };
  }

  private pages(cursor: string): AsyncIterable<LoadedPage> {
    const { inFlight, partBytes } = this.settings;
    // A part is cut between SCAN replies, so that one must not be larger than a part.
    const pageBytes = Math.min(this.settings.pageBytes, partBytes / READS_PER_SCAN);
    const count = (): number => {
      const fitting = Math.floor(pageBytes / Math.max(this.state.bytesPerKey, 1));
      return Math.min(MAX_PAGE, Math.max(MIN_PAGE, fitting));
    };
    const scanned = scanPages(this.ports.redis, cursor, count);
    const fieldExpiry = this.state.fieldExpiry === 'read';
    return pMapIterable(scanned, (page) => loadPage(this.ports.redis, page, fieldExpiry), {
      concurrency: inFlight,
      backpressure: inFlight * 2,
    });
  }

  private async workOffPaged(): Promise<void> {
    while (this.state.paged.length > 0 && !this.leg.timeIsUp()) {
      this.stopIfLost();
      this.state = await consumePaged(this.ports.redis, this.sink, this.state);
      await this.cutIfFull();
    }
  }

  private async cutIfFull(): Promise<void> {
    const { openKeys, openBytes } = this.sink;
    this.leg.report(() => progressOf(this.state, this.parts, openKeys, openBytes));
    if (this.sink.openBytes >= this.settings.partBytes) await this.cut();
  }

  private async cut(): Promise<void> {
    const at = this.state;
    await this.sink.cut(async (part) => {
      this.parts = [...this.parts, part];
      await this.leg.save(this.checkpoint(at, this.parts), progressOf(at, this.parts, 0, 0));
    });
  }

  private checkpoint(at: SnapshotCheckpoint, parts: readonly Part[]): SnapshotCheckpoint {
    const spent = addUsage(this.spentByOthers, this.spentBefore, this.ports.redis.usage());
    return { ...at, parts: [...parts], spent };
  }

  private stopIfLost(): void {
    if (this.leg.signal.aborted) throw toAppError(this.leg.signal.reason);
  }
}

/** What is asked once, by the first leg. */
async function prepare(
  ports: ScanPorts,
  settings: SnapshotSettings,
  state: SnapshotCheckpoint,
): Promise<SnapshotCheckpoint> {
  if (state.window.from !== null) return state;
  const [size] = await ports.redis.pipeline([['DBSIZE']]);
  const before = size !== undefined && 'value' in size ? Number(size.value) : 0;
  const fieldExpiry = await chooseFieldExpiry(ports, settings);
  const from = new Date(ports.clock.now()).toISOString();
  return { ...state, fieldExpiry, dbsize: { before, after: 0 }, window: { from, to: null } };
}

async function chooseFieldExpiry(ports: ScanPorts, settings: SnapshotSettings): Promise<'read' | 'none'> {
  if (settings.fieldExpiry === 'never') return 'none';
  return settings.fieldExpiry === 'always' ? 'read' : probeFieldExpiry(ports.redis);
}

function progressOf(state: SnapshotCheckpoint, parts: readonly Part[], openKeys: number, openBytes: number): Progress {
  const done = parts.reduce((sum, part) => sum + part.keys, openKeys);
  const bytes = parts.reduce((sum, part) => sum + part.plain.bytes, openBytes);
  return { done, total: state.dbsize.before, unit: 'keys', bytes };
}
