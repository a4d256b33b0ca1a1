import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { nightlyStack, type NightlyStack, type RunView } from './nightly-stack.js';

const BINARY = resolve(import.meta.dirname, '../../bin/soulcaster-backup.js');

let nightly: NightlyStack;

beforeAll(async () => {
  nightly = await nightlyStack({ items: 200, mixed: 200 }, { s3: true, variables: { BACKUP_PART_MIB: '0.25' } });
}, 120_000);

afterAll(() => nightly.stack.stop());

/** Runs the command line as an operator does, with the stack's variables and these over them. */
function command(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const env = { ...nightly.stack.env, PATH: process.env['PATH'] ?? '', ...variables };
  return execa(process.execPath, ['--', BINARY, '--json', ...args], { env, extendEnv: false, reject: false });
}

describe('the nightly cron with an S3 server as store', () => {
  it('takes a snapshot in several parts, which the command line finds whole', async () => {
    const answer = await nightly.cron();
    expect(answer.status).toBe(200);
    const run = (await answer.json()) as RunView;
    expect(run).toMatchObject({ state: 'succeeded', result: { state: 'complete' } });
    expect(run.result?.['parts']).toBeGreaterThan(2);
    const verified = await command(['verify', run.runId]);
    expect([verified.exitCode, verified.stderr]).toEqual([0, expect.not.stringContaining('error')]);
    const listed = JSON.parse((await command(['list'])).stdout) as { snapshots: { id: string }[] };
    expect(listed.snapshots.map(({ id }) => id)).toEqual([run.runId]);
  });

  it('is found safe by doctor', async () => {
    const { exitCode, stdout } = await command(['doctor']);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string }[] };
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(exitCode).toBe(0);
  });

  it('stops with one clear error when the keys are wrong', async () => {
    const { exitCode, stdout } = await command(['list'], { S3_SECRET_ACCESS_KEY: 'not-the-secret-key' });
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'store-denied' } });
    expect(stdout).not.toContain('not-the-secret-key');
  });
});
