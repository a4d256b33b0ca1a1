import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import { runbookOf, type Condition, type Finding } from '../../lib/monitoring/alerts/condition.js';
import { applyEvaluation, claimDue, messagesOf, recordDelivery } from '../../lib/monitoring/alerts/ledger.js';
import { acknowledgeAlerts } from '../../lib/monitoring/alerts/acknowledge.js';
import { alertCodes } from '../../lib/monitoring/alerts/sources.js';
import { notify, type NotifyPorts } from '../../lib/monitoring/alerts/notify.js';
import { alertText } from '../../lib/monitoring/alerts/messages.js';
import { deliveryFigures } from '../../lib/monitoring/status/figures.js';
import { readState, type Alert } from '../../lib/monitoring/state.js';
import type { AlertNotice, Delivery } from '../../lib/ports/alerter.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { worldClock } from './world/parts.js';

const HOUR = 3_600_000;
const START = Date.parse('2026-11-22T14:00:00Z');
const condition = (code: string, subject = 'x'): Condition => ({ code, subject, message: 'It is so.', hint: 'Do.' });
const finding = (...conditions: Condition[]): Finding => ({ conditions, evaluated: new Set(alertCodes()) });
const down = new AppError('alert-unavailable', 'The alert webhook cannot be reached', {
  hint: 'Look.',
  transient: true,
});

let folder: FolderStore;
let sent: AlertNotice[];
let failing: boolean;
let ending: Delivery;
let keys: string[];
let whileSending: () => Promise<void>;
let clock: ReturnType<typeof worldClock>;
beforeEach(async () => {
  folder = await folderStore();
  sent = [];
  failing = false;
  [ending, keys] = ['delivered', []];
  whileSending = () => Promise.resolve();
  clock = worldClock(START);
});
afterEach(() => folder.remove());

function ports(changes: Partial<NotifyPorts> = {}): NotifyPorts {
  const alerter = {
    configured: true,
    address: 'here',
    async send(_text: string, notices: readonly AlertNotice[], key: string): Promise<Delivery> {
      await whileSending();
      if (failing) throw down;
      sent.push(...notices);
      keys.push(key);
      return ending;
    },
  };
  return { alerter, clock, log: silentLog(), own: null, store: folder.store, ...changes };
}

const events = (): string[] => sent.map(({ event, code }) => `${event} ${code}`);

describe('an alert', () => {
  it('is sent once when it opens, daily while it lasts, and once when it is resolved', async () => {
    for (let hour = 0; hour < 50; hour++) {
      await notify(ports(), finding(condition('rpo-breached')));
      await clock.passUntil(clock.true() + HOUR);
    }
    expect(events()).toEqual(['opened rpo-breached', 'reminder rpo-breached', 'reminder rpo-breached']);
    await notify(ports(), finding());
    await notify(ports(), finding());
    expect(events().slice(3)).toEqual(['recovered rpo-breached']);
    expect((await readState(folder.store, null)).alerts).toEqual([]);
  });

  it('does not change if its code was not evaluated', async () => {
    await notify(ports(), finding(condition('chain-broken')));
    const told = await notify(ports(), { conditions: [], evaluated: new Set(['rpo-breached']) });
    expect(told.alerts).toMatchObject([{ code: 'chain-broken', resolvedAt: null }]);
    expect(events()).toEqual(['opened chain-broken']);
  });

  it('is sent by one of many concurrent evaluations', async () => {
    const looks = Array.from({ length: 6 }, () =>
      notify(ports(), finding(condition('rpo-breached'), condition('drill-failed'))),
    );
    expect((await Promise.all(looks)).every(({ alerts }) => alerts.length === 2)).toBe(true);
    expect(events().sort()).toEqual(['opened drill-failed', 'opened rpo-breached']);
  });

  it('is sent again after a failed delivery, and after the sending process died', async () => {
    failing = true;
    expect((await notify(ports(), finding(condition('rpo-breached')))).delivered).toBe(false);
    failing = false;
    const dead = new Promise<void>((entered) => {
      whileSending = () => {
        entered();
        return new Promise(() => undefined);
      };
    });
    void notify(ports(), finding(condition('rpo-breached')));
    await dead;
    whileSending = () => Promise.resolve();
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual([]);
    await clock.passUntil(clock.true() + HOUR);
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });

  it('that returns while its recovery is sent is sent again', async () => {
    await notify(ports(), finding(condition('rpo-breached')));
    whileSending = async () => {
      whileSending = () => Promise.resolve();
      await notify(ports(), finding(condition('rpo-breached')));
    };
    await notify(ports(), finding());
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached', 'recovered rpo-breached', 'opened rpo-breached']);
  });

  it('is sent without the store, together with the outage of the store', async () => {
    const gone = new AppError('store-unavailable', 'The store cannot be reached', { hint: 'Wait.', transient: true });
    const store = { ...folder.store, read: () => Promise.reject(gone) };
    const told = await notify(ports({ store }), finding(condition('rpo-at-risk')));
    expect(events()).toEqual(['opened rpo-at-risk', 'opened store-unavailable']);
    expect(told).toMatchObject({ delivered: false });
  });

  it('is dropped silently without an alert channel, and sent once there is one', async () => {
    const nobody = { configured: false, address: null, send: () => Promise.reject(down) };
    await notify(ports({ alerter: nobody }), finding(condition('rpo-breached'), condition('rpo-at-risk')));
    await notify(ports({ alerter: nobody }), finding(condition('rpo-breached')));
    expect((await readState(folder.store, null)).alerts).toMatchObject([{ code: 'rpo-breached', lastSentAt: null }]);
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });

  it('is sent again if the state cannot be read', async () => {
    await folder.store.create('guard/state.json', Buffer.from('{"version": 9}'));
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });
});

describe('a message with an unknown outcome', () => {
  it('is sent again after half an hour and not before, under the same key', async () => {
    ending = 'unknown';
    const told = await notify(ports(), finding(condition('rpo-breached')));
    expect(told.delivered).toBe(false);
    for (let minute = 0; minute < 25; minute += 5) {
      await clock.passUntil(clock.true() + 5 * 60_000);
      await notify(ports(), finding(condition('rpo-breached')));
    }
    expect(keys).toHaveLength(1);
    const state = await readState(folder.store, null);
    expect(state.delivery.lastFailure).toMatchObject({ outcome: 'unknown' });
    expect(deliveryFigures(state, 'here').undelivered).toEqual(['rpo-breached x']);
    ending = 'delivered';
    await clock.passUntil(clock.true() + 10 * 60_000);
    await notify(ports(), finding(condition('rpo-breached'), condition('drill-failed')));
    expect(new Set(keys.slice(1))).toEqual(new Set([keys[0], keys[2]]));
    expect(keys).toHaveLength(3);
    expect(deliveryFigures(await readState(folder.store, null), 'here')).toMatchObject({
      undelivered: [],
      lastFailure: null,
    });
  });

  it('differs from a refused one, which is recorded and sent by the next evaluation', async () => {
    failing = true;
    await notify(ports(), finding(condition('rpo-breached')));
    expect((await readState(folder.store, null)).delivery.lastFailure).toMatchObject({
      outcome: 'failed',
      code: down.code,
    });
    failing = false;
    await notify(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });
});

describe('an acknowledgement', () => {
  const broken = (message: string): Condition => ({ ...condition('chain-broken', 'chain'), message });
  const word = (code: string, until: string | null = null) => ({ code, subject: null, reason: 'known', until });
  const open = async () => (await readState(folder.store, null)).alerts.filter(({ resolvedAt }) => resolvedAt === null);

  it('closes an alert until its message changes', async () => {
    await notify(ports(), finding(broken('a is gone')));
    await acknowledgeAlerts({ clock, own: null, store: folder.store }, word('chain-broken'));
    for (let day = 0; day < 20; day++) {
      await clock.passUntil(clock.true() + 24 * HOUR);
      await notify(ports(), finding(broken('a is gone')));
    }
    expect(events()).toEqual(['opened chain-broken', 'recovered chain-broken']);
    expect(alertText(sent)).toContain('ACKNOWLEDGED chain-broken (chain): known. It is not over');
    expect(alertText(sent)).not.toContain('RECOVERED');
    await notify(ports(), finding(broken('a and b are gone')));
    expect(events().slice(2)).toEqual(['opened chain-broken']);
  });

  it('ends at its time, and with the condition', async () => {
    await notify(ports(), finding(condition('drill-failed')));
    const until = new Date(clock.true() + 5 * HOUR).toISOString();
    await acknowledgeAlerts({ clock, own: null, store: folder.store }, word('drill-failed', until));
    await notify(ports(), finding(condition('drill-failed')));
    expect(await open()).toEqual([]);
    await clock.passUntil(clock.true() + 6 * HOUR);
    await notify(ports(), finding(condition('drill-failed')));
    expect(await open()).toHaveLength(1);
    await acknowledgeAlerts({ clock, own: null, store: folder.store }, word('drill-failed'));
    await notify(ports(), finding());
    await notify(ports(), finding(condition('drill-failed')));
    expect(await open()).toHaveLength(1);
  });

  it('needs an open alert', async () => {
    const none = acknowledgeAlerts({ clock, own: null, store: folder.store }, word('rpo-breached'));
    await expect(none).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is made automatically for a snapshot taken after the alert was sent', async () => {
    const gone = broken('a is gone');
    await notify(ports(), finding({ ...gone, endsWith: clock.true() - HOUR }));
    await clock.passUntil(clock.true() + HOUR);
    await notify(ports(), finding({ ...gone, endsWith: START - HOUR }));
    expect(await open()).toHaveLength(1);
    await notify(ports(), finding({ ...gone, endsWith: clock.true() - 1_000 }));
    expect([await open(), events().at(-1)]).toEqual([[], 'recovered chain-broken']);
    await notify(ports(), finding({ ...gone, endsWith: clock.true() - 1_000 }));
    expect(await open()).toEqual([]);
  });
});

describe('the ledger', () => {
  const looks = fc.array(
    fc.record({
      open: fc.uniqueArray(fc.constantFrom('rpo-breached', 'drill-failed', 'run-stuck'), { maxLength: 3 }),
      hours: fc.integer({ min: -30, max: 40 }),
      works: fc.boolean(),
    }),
    { maxLength: 30 },
  );

  it('sends nothing twice within 22 hours, recovers nothing that was not opened, and drops nothing', () => {
    fc.assert(
      fc.property(looks, (all) => {
        let alerts: Alert[] = [];
        let now = START;
        const told = new Map<string, number>();
        for (const [index, { open, hours, works }] of all.entries()) {
          now += hours * HOUR;
          const mine = String(index);
          alerts = claimDue(applyEvaluation(alerts, finding(...open.map((code) => condition(code))), now), mine, now);
          for (const { event, code } of works ? messagesOf(alerts, mine).flatMap(({ notices }) => notices) : []) {
            const before = told.get(code);
            if (event === 'opened') expect(before).toBeUndefined();
            if (event === 'reminder')
              expect(before === undefined || now - before >= 22 * HOUR || before > now).toBe(true);
            if (event === 'recovered') told.delete(code);
            else told.set(code, now);
          }
          alerts = recordDelivery(alerts, mine, works, now);
          if (!works) continue;
          expect([...told.keys()].sort()).toEqual([...open].sort());
          expect(alerts.map(({ code }) => code).sort()).toEqual([...open].sort());
        }
      }),
    );
  });
});

describe('the runbook', () => {
  const text = readFileSync(join(process.cwd(), 'docs/operations.md'), 'utf8');
  it.each(alertCodes())('has a row for %s, at the anchor that its messages name', (code) => {
    expect(text).toContain(`| <a id="${runbookOf(code).split('#')[1] ?? ''}"></a>\`${code}\``);
  });
});

describe('the text', () => {
  it('lists new alerts before old ones, and cuts long texts', () => {
    const notice = {
      subject: 'x',
      hint: 'Do.',
      since: '2026-11-22T14:00:00.000Z',
      message: 'm'.repeat(5_000),
      runbook: 'docs/operations.md#alert-c',
    };
    const text = alertText([
      { ...notice, event: 'recovered', code: 'a' },
      ...Array.from({ length: 40 }, () => ({ ...notice, event: 'reminder' as const, code: 'b' })),
      { ...notice, event: 'opened', code: 'c' },
    ]);
    expect(text.split('\n')[1]).toMatch(/^ALERT c \(x\): m+$/);
    expect(text).toContain('and 12 more');
    expect(text.length).toBeLessThan(40_000);
  });
});
