import { z } from 'zod';
import { evenUnproven, passOver } from '../control/authenticated-store.js';
import { newestBy, updateObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';

/** `guard/pins.json`: snapshots that are kept regardless of the policy, and forgotten snapshots, with the reasons. */
export const PINS_NAME = 'guard/pins.json';
/** Of forgotten and unpinned snapshots, the newest are kept; the tombstones of forgotten ones stay. */
const MAX_ENDED = 200;

const decisionSchema = z.object({ id: z.string(), reason: z.string(), at: z.string(), by: z.string() });
/** An operator's decision about a snapshot; `by` is the user name of the process. */
export type Decision = z.infer<typeof decisionSchema>;

const pinsSchema = z.object({
  pinned: z.array(decisionSchema),
  forgotten: z.array(decisionSchema),
  /** When pins were ended, so that a copy of the list that still has them does not bring them back. */
  unpinned: z.array(decisionSchema.pick({ id: true, at: true })).default([]),
});
type Pins = z.infer<typeof pinsSchema>;

const NONE: Pins = { pinned: [], forgotten: [], unpinned: [] };

/** The pinned snapshots by id, for display: none where the list cannot be read. */
export async function readPins(store: ObjectStore): Promise<ReadonlyMap<string, Decision>> {
  const found = await store.read(PINS_NAME);
  const pins = await pinsIn(store, found);
  if (found !== null && pins === null) passOver(store, PINS_NAME, found);
  return byId(pins ?? NONE);
}

/** The pinned snapshots by id, for removals. Throws `damaged` for a list that cannot be read: it must not count as empty. */
export async function readPinsOrThrow(store: ObjectStore): Promise<ReadonlyMap<string, Decision>> {
  return byId(assertReadable(await pinsIn(store, await store.read(PINS_NAME))));
}

function byId({ pinned }: Pins): ReadonlyMap<string, Decision> {
  return new Map(pinned.map((pin) => [pin.id, pin]));
}

function assertReadable(pins: Pins | null): Pins {
  if (pins !== null) return pins;
  throw new AppError('damaged', `The list of pinned snapshots, ${PINS_NAME}, cannot be read`, {
    hint: 'Bring an older version of the object back, or use the version of soulcaster-backup that wrote it. To continue without pins, remove the object from the store.',
  });
}

/** Pins a snapshot, or changes the reason of its pin. */
export async function writePin(store: ObjectStore, pin: Decision): Promise<void> {
  await updatePins(store, (pins) => ({ ...pins, pinned: [...pins.pinned.filter(({ id }) => id !== pin.id), pin] }));
}

/** Ends a pin. `at`: ISO 8601. False when the snapshot was not pinned. */
export function removePin(store: ObjectStore, wanted: string, at: string): Promise<boolean> {
  return updatePins(store, (pins) => {
    const pinned = pins.pinned.filter(({ id }) => id !== wanted);
    if (pinned.length === pins.pinned.length) return null;
    return { ...pins, pinned, unpinned: withNewest(pins.unpinned, [{ id: wanted, at }]).slice(-MAX_ENDED) };
  });
}

/**
 * Adds the pins of `from` to those of `to`, which may hold snapshots that `from` lacks. A pin counts unless it was ended
 * later in either store. Unsigned lists count too. False when nothing was written: there is no list, or it adds nothing. Throws
 * `damaged` for a list of `from` that cannot be read: it must not count as empty.
 */
export async function unitePins(from: ObjectStore, to: ObjectStore): Promise<boolean> {
  const added = assertReadable(await pinsIn(from, await from.read(PINS_NAME)));
  if (added === NONE) return false;
  return updateObject(to, PINS_NAME, 'The list of pinned snapshots', async (there) => {
    const before = await pinsIn(to, there);
    const united = encodeJson(unite(before ?? NONE, added));
    return there !== null && before !== null && united.equals(encodeJson(before)) ? null : united;
  });
}

function unite(one: Pins, other: Pins): Pins {
  const unpinned = withNewest(one.unpinned, other.unpinned).slice(-MAX_ENDED);
  const endedAt = new Map(unpinned.map(({ id, at }) => [id, at]));
  const pinned = withNewest(one.pinned, other.pinned).filter(({ id, at }) => (endedAt.get(id) ?? '') < at);
  return { pinned, forgotten: withNewest(one.forgotten, other.forgotten).slice(-MAX_ENDED), unpinned };
}

/** Of each snapshot the newest statement, the oldest first. */
function withNewest<T extends Pick<Decision, 'id' | 'at'>>(before: readonly T[], added: readonly T[]): T[] {
  return newestBy([...before, ...added], ({ id }) => id).sort((a, b) => (a.at < b.at ? -1 : 1));
}

/** Keeps the reason for which a snapshot is removed. */
export async function writeForgotten(store: ObjectStore, word: Decision): Promise<void> {
  await updatePins(store, (pins) => ({
    ...pins,
    forgotten: [...pins.forgotten.filter(({ id }) => id !== word.id), word].slice(-MAX_ENDED),
  }));
}

function updatePins(store: ObjectStore, edit: (pins: Pins) => Pins | null): Promise<boolean> {
  return updateObject(store, PINS_NAME, 'The list of pinned snapshots', async (found) => {
    const next = edit(assertReadable(await pinsIn(store, found)));
    return next === null ? null : encodeJson(next);
  });
}

/** `found` as a list; `NONE` where there is no list, and null for one that cannot be read. */
async function pinsIn(store: ObjectStore, found: StoredBody | null): Promise<Pins | null> {
  const body = await evenUnproven(store, PINS_NAME, found);
  return body === null ? NONE : parseStored(pinsSchema, body);
}
