import { loadManifest } from '../../../lib/snapshot/manifest.js';
import { catalogEntry, snapshotIds } from '../../../lib/snapshot/catalog.js';
import { partName } from '../../../lib/snapshot/names.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { isGood } from '../../support/trust.js';
import { DAY, HOUR, type World } from './index.js';

/** Alerts that say that the recovery point is in danger, or may be. */
const DANGER = ['rpo-breached', 'rpo-at-risk', 'backup-failed', 'clock-suspicious'];
const REMINDER = 20 * HOUR;
/** The service behind HEARTBEAT_URL alarms after so long without a success: its period and its grace. */
export const SILENCE = 15 * HOUR;

/** Looks at the world every hour, with its true time, and puts down what should never be. */
export interface Witness {
  readonly wrongs: string[];
  /** Hours in which the objective was not met. */
  breached: number;
}

/** The first snapshot is an hour away when a world begins: from then on the objective or an alert must be there. */
export function witness(world: World): Witness {
  const seen: Witness = { wrongs: [], breached: 0 };
  /** When each snapshot was first seen, in true time: its own dates are by the program's clock. */
  const born = new Map<string, number>();
  const good = goodSnapshots(world.folder.store);
  let last = world.clock.true();
  world.everyHour = async () => {
    const now = world.clock.true();
    let newest = Number.NEGATIVE_INFINITY;
    for (const id of await good()) {
      if (!born.has(id)) born.set(id, await birthOf(world, id, last, now));
      newest = Math.max(newest, born.get(id) ?? 0);
    }
    last = now;
    if (born.size === 0 || now - newest < DAY) return;
    seen.breached += 1;
    const open = [...world.receiver.open()];
    const quiet = now - (world.receiver.pings.findLast(({ signal }) => signal === '/success')?.at ?? 0) > SILENCE;
    if (!quiet && !open.some((key) => DANGER.some((code) => key.startsWith(code)))) {
      seen.wrongs.push(`${new Date(now).toISOString()}: ${((now - newest) / HOUR).toFixed(1)} h old, and nobody knows`);
    }
  };
  return seen;
}

/** The ids of the good snapshots. Objects are only read again when the listing of their snapshot has changed. */
function goodSnapshots(store: ObjectStore): () => Promise<string[]> {
  const known = new Map<string, { readonly listing: string; readonly isGood: boolean }>();
  return async () => {
    const ids: string[] = [];
    for (const id of await snapshotIds(store)) {
      let listing = '';
      for await (const { name, size, modifiedAt } of store.list(partName(id, '')))
        listing += `${name} ${size} ${modifiedAt}\n`;
      if (known.get(id)?.listing !== listing) {
        const entry = await catalogEntry(store, id);
        known.set(id, { listing, isGood: entry !== null && isGood(entry) });
      }
      if (known.get(id)?.isGood === true) ids.push(id);
    }
    return ids;
  };
}

/** While the clock is right a snapshot tells when it began; else it was within the hour. */
async function birthOf(world: World, id: string, from: number, now: number): Promise<number> {
  const manifest = (await loadManifest(world.folder.store, id))?.manifest;
  const told = Date.parse(manifest?.window.from ?? '');
  return world.clock.now() === now && told <= now && told > now - 2 * DAY ? told : from;
}

/** Alerts that were told of again before their time, or opened twice without an end in between. */
export function repetitions({ receiver }: World, least = REMINDER): string[] {
  const last = new Map<string, number>();
  const wrongs: string[] = [];
  for (const { at, alerts } of receiver.messages) {
    for (const { event, code, subject } of alerts) {
      const key = `${code} ${subject}`;
      const before = last.get(key);
      if (event === 'recovered') {
        if (before === undefined) wrongs.push(`${key} recovered, and was never told of`);
        last.delete(key);
        continue;
      }
      if (event === 'opened' && before !== undefined) wrongs.push(`${key} opened twice`);
      if (before !== undefined && at - before < least) wrongs.push(`${key} again after ${(at - before) / HOUR} h`);
      last.set(key, at);
    }
  }
  return wrongs;
}

export function told({ receiver }: World, event: string): string[] {
  return receiver.messages.flatMap(({ alerts }) =>
    alerts.filter((alert) => alert.event === event).map(({ code }) => code),
  );
}
