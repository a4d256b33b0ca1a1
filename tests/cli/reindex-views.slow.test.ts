import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../lib/app/connect.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, taken } from './restore-fixture.js';
import { onTerminal, type OnTerminal } from './terminal.js';

/** What people see of a re-index that is out of the ordinary, and of runs of every kind. */
let stack: CliStack;
let env: Variables;
let project = '';

beforeAll(async () => {
  stack = await openStack({ gemini: { vectors: 'hash' } });
  env = await stack.alone();
  project = await anyProject(stack.urls.redis);
});
afterAll(() => stack.stop());

const QUESTION = /To continue, type yes: $/;

/** Runs `reindex` with mode flush on a separate terminal, and types an answer. */
function typing(answer: string): Promise<OnTerminal> {
  return onTerminal(['reindex', '--project', project, '--mode', 'flush'], env, [[QUESTION, answer]]);
}

async function putStray(): Promise<void> {
  const { vectors } = connect(stack.env, ['vectors']);
  const metadata = { title: 'gone', source: 'manual', cluster_id: '', created_at: '' };
  await vectors.upsert(project, [{ id: 'stray', values: new Float32Array(768).fill(0.5), metadata }]);
}

async function hasStray(): Promise<boolean> {
  const { vectors } = connect(stack.env, ['vectors']);
  const [found = null] = await vectors.fetch(project, ['stray']);
  return found !== null;
}

describe('mode flush', () => {
  it('asks on a terminal, and clears nothing unless the answer is yes', async () => {
    await putStray();
    const { code, screen } = await typing('no\r');
    expect([code, screen]).toEqual([2, expect.stringContaining('Nothing was changed')]);
    expect(await hasStray()).toBe(true);
  });

  it('clears and rebuilds the index after a yes, and with --yes', async () => {
    const { code, screen } = await typing('yes\r');
    expect([code, screen]).toEqual([0, expect.stringContaining('Re-indexed with mode flush')]);
    expect(await hasStray()).toBe(false);
    await putStray();
    const again = await cliJson(['reindex', '--project', project, '--mode', 'flush', '--yes'], env);
    expect([again.code, again.json]).toMatchObject([0, { embedded: 60, proof: { vectors: 60, missing: 0 } }]);
    expect(await hasStray()).toBe(false);
  });
});

describe('the report', () => {
  it('lists skipped items with the reason, items in two clusters, and removed vectors', async () => {
    const url = stack.urls.redis;
    await redis(url, 'HSET', `feedback:${project}:blank`, 'id', 'blank', 'title', ' ', 'body', '', 'source', 'manual');
    const [twice = ''] = (await redis(url, 'ZRANGE', `feedback:created:${project}`, '0', '0')) as string[];
    for (const [cluster, at] of [
      ['older', '2026-01-01T00:00:00+00:00'],
      ['newer', '2026-02-01T00:00:00+00:00'],
    ] as const) {
      await redis(url, 'HSET', `cluster:${project}:${cluster}`, 'id', cluster, 'created_at', at, 'updated_at', at);
      await redis(url, 'SADD', `cluster:${project}:${cluster}:items`, twice);
    }
    await putStray();
    const { code, stdout } = await cli(['reindex', '--project', project], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${project} +61 +60 +0 +1 +1 +1$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${project} +blank +(no text|empty)$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${project} +${twice} +[23] +\\S+$`, 'm'));
    expect(stdout).toMatch(/calls +\d+ of the embedder, about [\d,]+ tokens/);
    expect(stdout).toMatch(/price +about \$\d/);
    const { json } = await cliJson(['reindex', '--project', project, '--dry-run'], env);
    expect(json).toMatchObject({ toEmbed: 60, skipped: { count: 1 }, conflicts: { count: 1 } });
  });
});

describe('run', () => {
  it('shows a snapshot, a dry run of a restore, a restore with its undo, and a dry run of a re-index', async () => {
    const snapshot = await taken(env);
    const shown = async (id: unknown): Promise<string> => {
      const { code, stdout } = await cli(['run', String(id)], env);
      expect(code).toBe(0);
      return stdout;
    };
    expect(await shown(snapshot)).toContain(`soulcaster-backup show ${snapshot}`);
    await redis(stack.urls.redis, 'SET', `config:datadog:${project}:newer`, 'x');
    const plan = await cliJson(['restore', '--project', project, '--dry-run'], env);
    expect(await shown(plan.json['runId'])).toContain(`What snapshot ${snapshot} would do`);
    const restored = await cliJson(['restore', '--project', project, '--yes', '--no-settle'], env);
    expect([restored.code, restored.json['reindexed']]).toMatchObject([0, { state: 'succeeded', error: null }]);
    const text = await shown(restored.json['runId']);
    expect(text).toContain(`Restored snapshot ${snapshot}`);
    expect(text).toContain(`soulcaster-backup restore ${String(restored.json['undo'])}`);
    const dry = await cliJson(['reindex', '--all', '--dry-run'], env);
    expect(await shown(dry.json['runId'])).toContain('What a re-index with mode in-place would do');
  });

  it('exits with the code of the run, and prints one document', async () => {
    stack.gemini.setFaults({ call: () => 'denied' });
    const failed = await cliJson(['reindex', '--all'], env);
    stack.gemini.setFaults({ call: () => null });
    expect([failed.code, failed.json.error?.code]).toEqual([1, 'embedder-denied']);
    const { code, json } = await cliJson(['run', String(failed.json['runId'])], env);
    expect([code, json]).toMatchObject([
      1,
      { kind: 'reindex', state: 'failed', phase: 'preflight', waitsFor: null, error: { code: 'embedder-denied' } },
    ]);
  });
});
