import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ageEncryptor } from '../../lib/crypto/age.js';
import type { Encryptor } from '../../lib/ports/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { finalizeStaged } from '../../lib/transfer/publish.js';
import { withSnapshotBeside } from '../../lib/transfer/scratch-store.js';
import { stageFile, type Staged, type StageRequest } from '../../lib/transfer/stage.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench, type Ask, type RestoreBench, type RestoreParts } from '../support/restore-bench.js';

export const PLAIN = ageEncryptor({ recipients: [], identity: null });

export interface TransferBench extends RestoreBench {
  /** A folder for files, gone with the bench. */
  readonly files: string;
  /** Writes a file and returns its path. */
  file(name: string, content: string | Uint8Array): Promise<string>;
  /** Makes the server save, and returns the path of its RDB file. */
  saved(): Promise<string>;
  /** Reads a file as `import` does; the caller discards. */
  staged(path: string, request?: Partial<StageRequest>, encryptor?: Encryptor): Promise<Staged>;
  /** Restores a file as `restore FILE` does: everything, in mode replace, unless the request says otherwise. */
  restoreFile(
    path: string,
    request?: Partial<StageRequest>,
    ask?: Ask,
    parts?: Partial<RestoreParts>,
  ): Promise<RunRecord>;
}

export async function openTransferBench(program?: string): Promise<TransferBench> {
  const bench = await openRestoreBench(program === undefined ? {} : { program });
  const files = await mkdtemp(join(tmpdir(), 'transfer-'));
  const staged: TransferBench['staged'] = (path, request = {}, encryptor = PLAIN) =>
    stageFile(
      { clock: bench.clock, encryptor },
      { path, takenAt: null, ttlUnit: 'seconds', database: null, ...request },
      {
        partBytes: 20_000,
        skipTypes: [],
        tool: 'test',
        owner: null,
        signal: new AbortController().signal,
        onProgress: () => undefined,
      },
    );
  return {
    ...bench,
    files,
    async file(name, content) {
      const path = join(files, name);
      await writeFile(path, content);
      return path;
    },
    async saved() {
      await bench.database.redis.save();
      return join(dirname(bench.database.url), 'dump.rdb');
    },
    staged,
    async restoreFile(path, request, ask = {}, parts = {}) {
      const file = await staged(path, request);
      try {
        const manifest = await finalizeStaged({ clock: bench.clock, signer: UNSIGNED }, file);
        const store = withSnapshotBeside(bench.folder.store, file.store, manifest.id);
        return await bench.restore(manifest.id, { fromSource: true, ...ask }, { ...parts, store });
      } finally {
        await file.store.discard();
      }
    },
    async stop() {
      await bench.stop();
      await rm(files, { recursive: true, force: true });
    },
  };
}
