import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { progressView } from '../../lib/cli/output/progress.js';
import { restoreCommand } from '../../lib/cli/restore/words.js';
import type { RunRecord } from '../../lib/runs/model.js';

const ID = '20261122T020000Z-x7k2m9';

describe('the undo command', () => {
  it('names the same store and target, and is quoted for a shell', () => {
    expect(restoreCommand(ID, { scope: { project: 'p1' }, target: 'scratch' })).toBe(
      `npx soulcaster-backup restore ${ID} --project p1 --target scratch --env-file .env`,
    );
    const word = fc.string({
      minLength: 1,
      unit: fc.constantFrom('a', "'", '"', '$', '`', '\\', ' ', '!', '*', ';', 'é'),
    });
    fc.assert(
      fc.property(word, (project) => {
        const command = restoreCommand(ID, { scope: { project }, target: null }).replace(
          'npx soulcaster-backup',
          'run',
        );
        const read = execFileSync('sh', ['-c', `run() { printf '%s' "$4"; }; ${command}`]).toString('utf8');
        expect(read).toBe(project);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the progress of a restore', () => {
  it('is described in words, without counts if nothing is counted', () => {
    const told: string[] = [];
    const view = progressView({ onTerminal: false, note: (text) => void told.push(text) }, () => 0);
    const at = (phase: string, doing: string, done: number, total: number | null): void =>
      view.update({ kind: 'restore', phase, doing, progress: { done, total, unit: 'parts', bytes: 0 } } as RunRecord);
    at('check', 'checking the snapshot', 1, 3);
    at('fence', 'locking the projects', 0, null);
    at('write', 'writing', 0, 3);
    at('a-phase-of-an-older-version', '', 0, null);
    expect(told).toEqual([
      'checking the snapshot: 1 of 3 parts',
      'locking the projects',
      'writing: 0 of 3 parts',
      'a-phase-of-an-older-version',
    ]);
  });
});
