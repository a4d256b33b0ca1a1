import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseEnvFile } from '../../lib/app/config/env-file.js';
import { cli, withoutSecrets } from './fixture.js';
import { openClouds, PROJECT, type Clouds } from './setup-fixture.js';

let clouds: Clouds;
beforeAll(async () => {
  clouds = await openClouds();
});
afterAll(() => clouds.stop());

const file = (): string => join(clouds.folder, '.env');

/** The status, once both schedulers have called. */
async function untilWatched(): Promise<{ state: string }> {
  for (;;) {
    const { stdout } = await cli(['status', '--json', '--env-file', file()]);
    const status = JSON.parse(stdout) as { state: string; watched: { state: string } };
    if (status.watched.state !== 'unknown') return status;
    await delay(500);
  }
}

describe('from nothing to a guarded deployment', () => {
  it('takes two commands, after which doctor and status are ok', async () => {
    const made = await cli(['init', '--answers', '-', '--file', file()], {}, JSON.stringify(clouds.answers));
    expect(withoutSecrets(made, clouds.answers).code).toBe(0);
    const env = parseEnvFile(readFileSync(file()));

    // Left in the operator's shell by something else.
    const shell = { RETENTION_KEEP_LAST: '50' };
    const deployed = withoutSecrets(await cli(['deploy', '--yes', '--json', '--env-file', file()], shell), env);
    const { steps } = JSON.parse(deployed.stdout) as { steps: { step: string; state: string }[] };
    expect([deployed.code, deployed.stderr]).toEqual([0, expect.not.stringContaining('error:')]);
    expect(steps.filter(({ state }) => state === 'failed')).toEqual([]);

    // What the functions have: what they need, the secrets as sensitive ones, and nothing of the operator's.
    const { variables } = clouds.vercel.project(PROJECT);
    const names = variables.map(({ key }) => key);
    expect(names).toEqual(expect.arrayContaining(['BACKUP_AGE_RECIPIENTS', 'CRON_SECRET', 'BACKUP_SIGNING_KEY']));
    for (const name of ['UPSTASH_API_KEY', 'VERCEL_API_TOKEN', 'BACKUP_AGE_IDENTITY', 'BACKUP_AGE_IDENTITY_FILE']) {
      expect(names).not.toContain(name);
    }
    expect(names).not.toContain('RETENTION_KEEP_LAST');
    expect(deployed.stderr).toContain('RETENTION_KEEP_LAST is set in this shell and not in the file');
    const typeOf = (name: string) => variables.find(({ key }) => key === name)?.type;
    expect([typeOf('CRON_SECRET'), typeOf('BACKUP_STORE')]).toEqual(['sensitive', 'encrypted']);

    // Both schedulers, as the platforms fire them.
    const functions = await clouds.production();
    expect((await functions.fireCron('/api/cron/guard')).status).toBe(200);
    const { queue } = clouds.stack;
    const [schedule] = queue.schedules();
    expect(queue.fireSchedule(String(schedule?.['scheduleId']))).toBe(true);
    // Its turn is over when the store says that it called.
    const { state } = await untilWatched();
    expect(state).toBe('ok');
    const status = await cli(['status', '--json', '--env-file', file()]);
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'ok', alerts: [] });
    expect(JSON.parse(status.stdout)).toMatchObject({ recoveryTime: { drilledBy: 'operator', met: true } });
    const doctor = await cli(['doctor', '--json', '--env-file', file()]);
    expect(JSON.parse(doctor.stdout)).toMatchObject({
      ok: true,
      failed: 0,
      checks: expect.arrayContaining([expect.objectContaining({ name: 'drill-weekly', status: 'ok' })]),
    });
    expect(deployed.stderr).toContain(`drill --local --env-file ${file()}`);
    // No function could open the snapshot: it is restored by this process, though there is a queue.
    const restored = await cli(['restore', 'latest', '--yes', '--no-reindex', '--json', '--env-file', file()]);
    expect([restored.code, JSON.parse(restored.stdout)]).toMatchObject([0, { state: 'succeeded' }]);
    const replica = await cli(['list', '--replica', '--json', '--env-file', file()]);
    expect((JSON.parse(replica.stdout) as { snapshots: object[] }).snapshots.length).toBeGreaterThan(0);
  });

  it('changes nothing when repeated, and otherwise only what differs', async () => {
    const deployments = clouds.vercel.project(PROJECT).deployments.length;
    const calls = clouds.vercel.calls.length;
    const again = await cli(['deploy', '--dry-run', '--json', '--env-file', file()]);
    const plan = (result: { stdout: string }) =>
      JSON.parse(result.stdout) as { builds: boolean; variables: { name: string; action: string }[] };
    expect(plan(again).variables.filter(({ action }) => action !== 'keep')).toEqual([]);
    expect(plan(again).builds).toBe(false);

    const text = readFileSync(file(), 'utf8').replace(/^ADMIN_TOKEN=.*$/m, 'ADMIN_TOKEN=another-token-of-an-admin');
    const other = join(clouds.folder, 'other.env');
    writeFileSync(other, text);
    const planned = plan(await cli(['deploy', '--dry-run', '--json', '--env-file', other]));
    expect(planned.variables.filter(({ action }) => action !== 'keep')).toMatchObject([
      { name: 'ADMIN_TOKEN', action: 'write' },
    ]);
    expect(planned.builds).toBe(true);
    expect(clouds.vercel.project(PROJECT).deployments).toHaveLength(deployments);
    expect(clouds.vercel.calls.slice(calls).every(({ method }) => method === 'GET')).toBe(true);
  });

  it('names variables that only the project has, and removes those that are named alone', async () => {
    const { variables } = clouds.vercel.project(PROJECT);
    const text = readFileSync(file(), 'utf8');
    const more = join(clouds.folder, 'more.env');
    writeFileSync(more, `${text}\nRETENTION_KEEP_LAST=3\nBACKUP_SKIP_TYPES=vectorset\n`);
    expect((await cli(['deploy', '--yes', '--env-file', more])).code).toBe(0);
    const has = (name: string): boolean => variables.some(({ key }) => key === name);
    expect([has('RETENTION_KEEP_LAST'), has('BACKUP_SKIP_TYPES')]).toEqual([true, true]);

    const kept = await cli(['deploy', '--dry-run', '--json', '--env-file', file()]);
    expect(JSON.parse(kept.stdout)).toMatchObject({
      onlyThere: expect.arrayContaining(['RETENTION_KEEP_LAST', 'BACKUP_SKIP_TYPES']),
      removed: [],
      builds: false,
    });
    expect(kept.stderr).toMatch(/set in the Vercel project and not in the env file.*--remove RETENTION_KEEP_LAST /);
    const outside = await cli(['doctor', '--deployment', '--json', '--env-file', file()]);
    const checks = (JSON.parse(outside.stdout) as { checks: { name: string; status: string }[] }).checks;
    expect(checks.find(({ name }) => name === 'variables')?.status).toBe('warn');

    for (const name of ['CRON_SECRET', 'PATH']) {
      const refused = await cli(['deploy', '--yes', '--remove', name, '--env-file', file()]);
      expect([refused.code, has('CRON_SECRET')]).toEqual([2, true]);
    }
    const removed = await cli(['deploy', '--yes', '--json', '--remove', 'RETENTION_KEEP_LAST', '--env-file', file()]);
    expect([removed.code, JSON.parse(removed.stdout)]).toMatchObject([
      0,
      { removed: ['RETENTION_KEEP_LAST'], onlyThere: ['BACKUP_SKIP_TYPES'], builds: true },
    ]);
    expect([has('RETENTION_KEEP_LAST'), has('BACKUP_SKIP_TYPES')]).toEqual([false, true]);
    const deployed = (await cli(['doctor', '--deployment', '--env-file', file()])).stdout;
    expect(deployed).toMatch(/set in the deployment, but not here: BACKUP_SKIP_TYPES \(/);
  });

  it('changes nothing without confirmation, and names what is missing', async () => {
    expect((await cli(['deploy', '--env-file', file()])).stderr).toContain('The change cannot be confirmed');
    expect((await cli(['deploy', '--yes'], {})).code).toBe(2);
  });
});
