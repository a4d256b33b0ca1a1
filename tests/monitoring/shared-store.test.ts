import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Json } from '../../lib/json.js';
import { evaluateFacts } from '../../lib/monitoring/alerts/sources.js';
import { gatherFacts } from '../../lib/monitoring/facts.js';
import { drills, writeDrill } from '../../lib/restore/drill/record.js';
import { newId } from '../../lib/runs/ids.js';
import type { RunDefinition, RunState } from '../../lib/runs/model.js';
import { createRun, newRecord } from '../../lib/runs/records.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot } from '../support/made-snapshots.js';
import { trustIn } from '../support/trust.js';

const NOW = Date.parse('2026-11-22T14:00:00Z');
const HOUR = 3_600_000;
const at = (hours: number): string => new Date(NOW - hours * HOUR).toISOString();
const [OWN, OTHER] = [sourceOf('own.example'), sourceOf('other.example')];

let folder: FolderStore;
beforeEach(async () => (folder = await folderStore()));
afterEach(() => folder.remove());

/** A run that has ended; versions before 2026-11 recorded no source. */
async function ended(kind: string, state: RunState, input: Json, id: string, source: string | null = null) {
  const definition = { kind, firstPhase: 'work', lease: kind, words: {} } as unknown as RunDefinition;
  const record = newRecord(
    id,
    definition,
    { kind, input, checkpoint: null, progress: { done: 0, total: null, unit: 'keys', bytes: 0 } },
    1,
    NOW - HOUR,
    source,
  );
  await createRun(folder.store, { ...record, state, finishedAt: at(1) });
}

async function drilled(snapshot: string, outcome: 'passed' | 'failed', hours: number, source: string | null = null) {
  const times = { startedAt: at(hours), finishedAt: at(hours), milliseconds: 1000 };
  const reason = outcome === 'failed' ? 'a key differs' : null;
  const id = newId(NOW - hours * HOUR);
  await writeDrill(folder.store, { id, source, outcome, reason, snapshot, keys: 4, ...times });
  return id;
}

async function found() {
  const { store } = folder;
  const facts = await gatherFacts(trustIn(store, { own: OWN, now: NOW }), () => drills(store, OWN));
  const callers = { cron: null, schedule: null, operator: null };
  const guard = { lastRunAt: null, callers };
  const { conditions } = evaluateFacts(facts, { drilledBy: 'guard', guard, schedulers: [], skipTypes: [] });
  return { facts, codes: conditions.map(({ code }) => code) };
}

describe('a store that another database shares', () => {
  it('shows its runs and drills as its own only where the record or the snapshot says so', async () => {
    const own = await makeSnapshot(folder.store, { at: at(2), source: OWN });
    const other = await makeSnapshot(folder.store, { at: at(3), source: OTHER });
    await ended('snapshot', 'failed', {}, other);
    await ended('restore', 'failed', { snapshot: other }, newId(NOW - 4 * HOUR));
    await ended('verify', 'failed', { snapshot: own }, newId(NOW - 5 * HOUR), OTHER);
    await drilled(other, 'failed', 4);
    await drilled(other, 'passed', 5);
    const strangers = await found();
    expect(strangers.codes).toEqual([]);
    expect([strangers.facts.runs, strangers.facts.drills, strangers.facts.lastPassed]).toEqual([[], [], null]);

    const failed = newId(NOW - HOUR);
    await ended('restore', 'failed', { snapshot: own }, failed);
    const foreign = newId(NOW - HOUR);
    await ended('restore', 'succeeded', { snapshot: other, fromSource: true, dryRun: true }, foreign);
    const drill = await drilled(own, 'failed', 1);
    const { codes, facts } = await found();
    expect(codes.sort()).toEqual(['drill-failed', 'restore-failed']);
    expect(facts.runs.map(({ id }) => id).sort()).toEqual([failed, foreign].sort());
    expect(facts.drills.map(({ id }) => id)).toEqual([drill]);
  });

  it('reports neither its damaged snapshots nor what is due since its first snapshot', async () => {
    await makeSnapshot(folder.store, { at: at(24 * 30), source: OTHER });
    await makeSnapshot(folder.store, { at: at(30), source: OTHER, verified: 'damaged' });
    await makeSnapshot(folder.store, { at: at(-2), source: OTHER });
    await makeSnapshot(folder.store, { at: at(2), source: OWN });
    expect((await found()).codes).toEqual([]);
  });
});
