import { toAppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import type { Attempt, Progress } from '../../runs/model.js';
import { addUsage, type SnapshotCheckpoint } from '../checkpoint.js';
import type { Part } from '../manifest.js';
import type { SnapshotSettings } from '../settings.js';
import type { MarkStores } from '../unfinished-marks.js';
import { consumePage, consumePaged } from './consume.js';
import { pageSizes, type PageSizes, READS_PER_SCAN, type LoadedPage } from './pages.js';
import type { PartSink } from './sink.js';

export type ScanPorts = Pick<Ports, 'clock' | 'redis' | 'encryptor' | 'store'> &
  Partial<Pick<Ports, 'log'>> &
  Pick<MarkStores, 'marksElsewhere'>;

/** The parts of the work that differ between the first pass over the database and a later walk over its names. */
export interface Source<P extends LoadedPage> {
  /** The loaded pages from a cursor on. `sizes` determines the number of keys in a read. */
  pages(cursor: string, sizes: PageSizes): AsyncIterable<P>;
  /** Called for each page when its lines are written; returns the new state. */
  consumed(state: SnapshotCheckpoint, page: P): SnapshotCheckpoint;
  /** Called when a checkpoint is taken; the returned function is called when that checkpoint is saved. */
  keep(): (state: SnapshotCheckpoint) => Promise<SnapshotCheckpoint>;
  /** Whether a checkpoint is due though no part is full. */
  isDue(state: SnapshotCheckpoint): boolean;
  progress(state: SnapshotCheckpoint, saved: Progress): Progress;
}

/** Reads pages into parts until they end or time is up. */
export class ScanWork<P extends LoadedPage> {
  private readonly spentBefore;
  private readonly spentEarlier;
  private parts: readonly Part[];
  private worked = false;
  private readonly sizes: PageSizes;

  constructor(
    private readonly ports: ScanPorts,
    private readonly settings: SnapshotSettings,
    private readonly attempt: Attempt,
    private readonly sink: PartSink,
    private state: SnapshotCheckpoint,
    private readonly source: Source<P>,
  ) {
    this.spentBefore = ports.redis.usage();
    this.spentEarlier = state.spent;
    this.parts = state.parts;
    // A part is closed between SCAN replies, so a reply must not be larger than a part.
    const pageBytes = Math.min(settings.pageBytes, settings.partBytes / READS_PER_SCAN);
    this.sizes = pageSizes(pageBytes, state.bytesPerKey);
  }

  /** Works until SCAN has ended and no big keys are left, or time is up; returns the final checkpoint. */
  async run(): Promise<SnapshotCheckpoint> {
    try {
      await this.work();
    } catch (error) {
      // A part that is still being stored would save a checkpoint while the next attempt is running.
      await this.sink.flush().catch(() => undefined);
      throw error;
    }
    if (this.sink.openBytes > 0) await this.cut();
    await this.sink.flush();
    const to = new Date(this.ports.clock.now()).toISOString();
    return { ...this.checkpoint(this.state, this.parts), window: { ...this.state.window, to } };
  }

  private async work(): Promise<void> {
    const { redis } = this.ports;
    await this.readPagedKeys();
    if (this.state.cursor === null || this.mustHandOver()) return;
    for await (const page of this.source.pages(this.state.cursor, this.sizes)) {
      this.throwIfAborted();
      this.state = this.source.consumed(await consumePage(redis, this.sink, this.state, page, this.sizes), page);
      // A checkpoint within a SCAN reply has the cursor of that reply, whose keys would be read again.
      if (!page.mayStop) continue;
      this.worked = true;
      await this.cutIfFull();
      await this.readPagedKeys();
      if (this.mustHandOver()) return;
    }
  }

  /** An attempt always completes one step first, even if its time was up at the start. */
  private mustHandOver(): boolean {
    return this.worked && this.attempt.timeIsUp();
  }

  private async readPagedKeys(): Promise<void> {
    while (this.state.paged.length > 0 && !this.mustHandOver()) {
      this.throwIfAborted();
      this.state = await consumePaged(this.ports.redis, this.sink, this.state);
      this.worked = true;
      await this.cutIfFull();
    }
  }

  private async cutIfFull(): Promise<void> {
    const { openKeys, openBytes } = this.sink;
    this.attempt.report(() => this.progress(this.state, openKeys, openBytes));
    if (this.sink.openBytes >= this.settings.partBytes) await this.cut();
    else if (this.source.isDue(this.state)) await this.saveNow();
  }

  private async saveNow(): Promise<void> {
    if (this.sink.openBytes > 0) return this.cut();
    await this.sink.flush();
    const next = await this.source.keep()(this.checkpoint(this.state, this.parts));
    await this.attempt.save(next, this.progress(this.state, 0, 0));
  }

  private async cut(): Promise<void> {
    const at = this.state;
    const save = this.source.keep();
    await this.sink.cut(async (part) => {
      this.parts = [...this.parts, part];
      await this.attempt.save(await save(this.checkpoint(at, this.parts)), this.progress(at, 0, 0));
    });
  }

  private checkpoint(at: SnapshotCheckpoint, parts: readonly Part[]): SnapshotCheckpoint {
    const spent = addUsage(this.spentEarlier, this.spentBefore, this.ports.redis.usage());
    return { ...at, parts: [...parts], spent };
  }

  private progress(at: SnapshotCheckpoint, openKeys: number, openBytes: number): Progress {
    return this.source.progress(at, progressOf(at, this.parts, openKeys, openBytes));
  }

  private throwIfAborted(): void {
    if (this.attempt.signal.aborted) throw toAppError(this.attempt.signal.reason);
  }
}

export function progressOf(state: SnapshotCheckpoint, parts: readonly Part[], openKeys = 0, openBytes = 0): Progress {
  const done = parts.reduce((sum, part) => sum + part.keys, openKeys);
  const bytes = parts.reduce((sum, part) => sum + part.plain.bytes, openBytes);
  return { done, total: state.dbsize.before, unit: 'keys', bytes };
}
