import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Status } from '../../page/api/types.js';
import { CallError } from '../../page/api/errors.js';
import { verdictOf } from '../../page/words/verdict.js';
import { HOUR, openOutageRig, type OutageRig, type Part } from './outage-rig.js';

let rig: OutageRig;
beforeAll(async () => {
  rig = await openOutageRig();
  expect((await rig.call('/api/cron/backup', { as: 'cron' })).status).toBe(200);
  await rig.call('/api/cron/guard', { as: 'cron' });
  // The drill goes its way over the queue, and time stands still until it is over.
  await rig.settled();
  await rig.fireSchedule();
});
afterAll(() => rig.close());

const MINUTE = 60_000;
/** The service, as status and alerts name it; what is known of the store goes with it. */
const ALERT: Readonly<Record<Part, string>> = {
  redis: 'credential-failed redis',
  store: 'store-unavailable store',
  queue: 'credential-failed queue',
  index: 'credential-failed index',
  embedder: 'credential-failed embedder',
};

interface Seen {
  readonly state: string;
  /** What each place says of the whole. */
  readonly green: readonly string[];
  /** The places that call this part ok. */
  readonly praising: readonly string[];
  readonly alerts: readonly string[];
}

/** Everything that an operator can look at, at this moment. */
async function look(part: Part): Promise<Seen> {
  const anonymous = await rig.call('/api/status');
  const answer = await rig.call('/api/status', { as: 'admin' });
  const status = (await answer.json()) as Status & {
    readonly services: { readonly items: readonly { readonly name: string; readonly state: string }[] };
    readonly code?: string;
  };
  const metrics = await (await rig.call('/api/status?format=prometheus', { as: 'admin' })).text();
  const projects = (await (await rig.call('/api/status?view=projects', { as: 'admin' })).json()) as Record<
    string,
    unknown
  >;
  const command = await rig.cli();
  const isReport = 'services' in status;
  const error = new CallError(status.code ?? 'x', 'x', 'x', answer.status);
  const verdict = isReport ? verdictOf({ data: status, error: null }, false) : verdictOf({ data: null, error }, false);
  const green = [
    ...(anonymous.status === 200 ? ['anonymous'] : []),
    ...(answer.status === 200 ? ['status'] : []),
    ...(command.exit === 0 ? ['command line'] : []),
    ...(verdict.tone === 'good' ? ['page'] : []),
    ...(/^soulcaster_backup_up 1$/m.test(metrics) ? ['metrics'] : []),
  ];
  const inPlaces: Readonly<Record<string, boolean>> = {
    status: isReport && status.services.items.some(({ name, state }) => name === part && state === 'ok'),
    checks: isReport && status.credentials.checks.some((check) => check.name === part && check.status === 'ok'),
    'command line': command.json !== null && /^\s*services\s+ok/m.test(command.text),
    metrics: new RegExp(`service="${part}",state="ok"\\} 1$`, 'm').test(metrics),
    projects:
      { redis: 'redis', store: 'store', index: 'vectors' }[part as 'redis'] in projects
        ? projects[{ redis: 'redis', store: 'store', index: 'vectors' }[part as 'redis']] === 'ok'
        : false,
  };
  const praising = Object.entries(inPlaces).flatMap(([place, is]) => (is ? [place] : []));
  const alerts = isReport ? status.alerts.map(({ code, subject }) => `${code} ${subject}`) : [];
  return { state: isReport ? status.state : 'unreadable', green, praising, alerts };
}

const EVERYWHERE = ['anonymous', 'status', 'command line', 'page', 'metrics'];

async function hour(withSchedule: boolean): Promise<void> {
  rig.turn(HOUR - MINUTE);
  await rig.call('/api/cron/guard', { as: 'cron' });
  if (withSchedule) await rig.fireSchedule();
  await rig.settled();
  rig.turn(MINUTE);
}

describe.each<Part>(['redis', 'store', 'queue', 'index', 'embedder'])('five hours without the %s', (part) => {
  it('are never reported as ok, raise an alert within a turn of the guard, and recover by themselves', async () => {
    // A snapshot of this hour: what is five hours old then is still young.
    expect((await rig.call('/api/cron/backup', { as: 'cron' })).status).toBe(200);
    await hour(true);
    expect(await look(part)).toMatchObject({ state: 'ok', green: EVERYWHERE, alerts: [] });

    await rig.stop(part);
    rig.turn(MINUTE);
    for (let passed = 0; passed <= 5; passed++) {
      const seen = await look(part);
      expect({ passed, ...seen }).toMatchObject({ passed, green: [], praising: [] });
      if (part !== 'store') expect(seen.alerts).toContain(ALERT[part]);
      if (passed === 5) break;
      // The guard's turn in every other hour: its first one tells.
      if (passed % 2 === 0) await hour(part !== 'queue');
      else rig.turn(HOUR);
      expect([...rig.receiver.open()]).toContain(ALERT[part]);
    }

    await rig.mend(part);
    await hour(part !== 'queue');
    // The schedule went with the stand-in: the guard has made it again.
    await hour(true);
    expect(await look(part)).toMatchObject({ state: 'ok', green: EVERYWHERE, alerts: [] });
    // Whether the store's own outage was told is written down nowhere, and so its end is not told.
    expect([...rig.receiver.open()].filter((key) => key !== ALERT.store)).toEqual([]);
  });
});
