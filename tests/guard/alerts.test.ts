import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { silentLog } from '../../lib/adapters/json-log.js';
import { AppError } from '../../lib/errors.js';
import { ALERT_CODES, type AlertCode, type Condition, type Finding } from '../../lib/guard/alerts/condition.js';
import { afterLook, claimDue, noticesOf, settle } from '../../lib/guard/alerts/ledger.js';
import { tell, type TellPorts } from '../../lib/guard/alerts/tell.js';
import { alertText } from '../../lib/guard/alerts/text.js';
import { readState, type Alert } from '../../lib/guard/state.js';
import type { AlertNotice } from '../../lib/ports/alerter.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { worldClock } from './world/clock.js';

const HOUR = 3_600_000;
const START = Date.parse('2026-11-22T14:00:00Z');
const condition = (code: AlertCode, subject = 'x'): Condition => ({ code, subject, message: 'It is so.', hint: 'Do.' });
const finding = (...conditions: Condition[]): Finding => ({ conditions, judged: new Set(ALERT_CODES) });
const down = new AppError('alert-unavailable', 'The alert webhook cannot be reached', {
  hint: 'Look.',
  transient: true,
});

let folder: FolderStore;
let sent: AlertNotice[];
let failing: boolean;
let whileSending: () => Promise<void>;
let clock: ReturnType<typeof worldClock>;
beforeEach(async () => {
  folder = await folderStore();
  sent = [];
  failing = false;
  whileSending = () => Promise.resolve();
  clock = worldClock(START);
});
afterEach(() => folder.remove());

function ports(changes: Partial<TellPorts> = {}): TellPorts {
  const alerter = {
    configured: true,
    async send(_text: string, notices: readonly AlertNotice[]) {
      await whileSending();
      if (failing) throw down;
      sent.push(...notices);
    },
  };
  return { alerter, clock, log: silentLog(), store: folder.store, ...changes };
}

const events = (): string[] => sent.map(({ event, code }) => `${event} ${code}`);

describe('an alert', () => {
  it('is told once when it opens, daily while it lasts, and once when it is over', async () => {
    for (let hour = 0; hour < 50; hour++) {
      await tell(ports(), finding(condition('rpo-breached')));
      await clock.passUntil(clock.true() + HOUR);
    }
    expect(events()).toEqual(['opened rpo-breached', 'reminder rpo-breached', 'reminder rpo-breached']);
    await tell(ports(), finding());
    await tell(ports(), finding());
    expect(events().slice(3)).toEqual(['recovered rpo-breached']);
    expect((await readState(folder.store)).alerts).toEqual([]);
  });

  it('stays as it was when nobody looked for it', async () => {
    await tell(ports(), finding(condition('chain-broken')));
    const told = await tell(ports(), { conditions: [], judged: new Set(['rpo-breached']) });
    expect(told.alerts).toMatchObject([{ code: 'chain-broken', resolvedAt: null }]);
    expect(events()).toEqual(['opened chain-broken']);
  });

  it('is told by one of many that look at the same time', async () => {
    const looks = Array.from({ length: 6 }, () =>
      tell(ports(), finding(condition('rpo-breached'), condition('drill-failed'))),
    );
    expect((await Promise.all(looks)).every(({ alerts }) => alerts.length === 2)).toBe(true);
    expect(events().sort()).toEqual(['opened drill-failed', 'opened rpo-breached']);
  });

  it('is told again when it could not be, and when whoever was to tell of it died', async () => {
    failing = true;
    expect((await tell(ports(), finding(condition('rpo-breached')))).delivered).toBe(false);
    failing = false;
    const dead = new Promise<void>((entered) => {
      whileSending = () => {
        entered();
        return new Promise(() => undefined);
      };
    });
    void tell(ports(), finding(condition('rpo-breached')));
    await dead;
    whileSending = () => Promise.resolve();
    await tell(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual([]);
    await clock.passUntil(clock.true() + HOUR);
    await tell(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });

  it('that comes back while it is told to be over is told anew', async () => {
    await tell(ports(), finding(condition('rpo-breached')));
    whileSending = async () => {
      whileSending = () => Promise.resolve();
      await tell(ports(), finding(condition('rpo-breached')));
    };
    await tell(ports(), finding());
    await tell(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached', 'recovered rpo-breached', 'opened rpo-breached']);
  });

  it('is told without the store, which is what there is to tell', async () => {
    const gone = new AppError('store-unavailable', 'The store cannot be reached', { hint: 'Wait.', transient: true });
    const store = { ...folder.store, read: () => Promise.reject(gone) };
    const told = await tell(ports({ store }), finding(condition('rpo-at-risk')));
    expect(events()).toEqual(['opened rpo-at-risk', 'opened store-unavailable']);
    expect(told).toMatchObject({ delivered: false });
  });

  it('goes without a word where there is nobody to tell, and is told when there is', async () => {
    const nobody = { configured: false, send: () => Promise.reject(down) };
    await tell(ports({ alerter: nobody }), finding(condition('rpo-breached'), condition('rpo-at-risk')));
    await tell(ports({ alerter: nobody }), finding(condition('rpo-breached')));
    expect((await readState(folder.store)).alerts).toMatchObject([{ code: 'rpo-breached', lastSentAt: null }]);
    await tell(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });

  it('survives a state that cannot be read: it is told anew', async () => {
    await folder.store.create('guard/state.json', Buffer.from('{"version": 9}'));
    await tell(ports(), finding(condition('rpo-breached')));
    expect(events()).toEqual(['opened rpo-breached']);
  });
});

describe('the ledger', () => {
  const looks = fc.array(
    fc.record({
      open: fc.uniqueArray(fc.constantFrom<AlertCode>('rpo-breached', 'drill-failed', 'run-stuck'), { maxLength: 3 }),
      hours: fc.integer({ min: -30, max: 40 }),
      works: fc.boolean(),
    }),
    { maxLength: 30 },
  );

  it('tells nothing twice within 22 hours, ends nothing that it did not begin, and forgets nothing', () => {
    fc.assert(
      fc.property(looks, (all) => {
        let alerts: Alert[] = [];
        let now = START;
        const told = new Map<string, number>();
        for (const [index, { open, hours, works }] of all.entries()) {
          now += hours * HOUR;
          const mine = String(index);
          alerts = claimDue(afterLook(alerts, finding(...open.map((code) => condition(code))), now), mine, now);
          for (const { event, code } of works ? noticesOf(alerts, mine) : []) {
            const before = told.get(code);
            if (event === 'opened') expect(before).toBeUndefined();
            if (event === 'reminder')
              expect(before === undefined || now - before >= 22 * HOUR || before > now).toBe(true);
            if (event === 'recovered') told.delete(code);
            else told.set(code, now);
          }
          alerts = settle(alerts, mine, works, now);
          if (!works) continue;
          expect([...told.keys()].sort()).toEqual([...open].sort());
          expect(alerts.map(({ code }) => code).sort()).toEqual([...open].sort());
        }
      }),
    );
  });
});

describe('the text', () => {
  it('names what is new before what is old, and cuts what is long', () => {
    const notice = { subject: 'x', hint: 'Do.', since: '2026-11-22T14:00:00.000Z', message: 'm'.repeat(5_000) };
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
