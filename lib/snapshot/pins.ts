import { z } from 'zod';
import { passOver, unprovenIn } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

/** `guard/pins.json`: which snapshots stay whatever the policy says, and which were forgotten on purpose, with the reasons. */
export const PINS_NAME = 'guard/pins.json';
/** Of forgotten ones, the newest; their tombstones stay. */
const MOST_FORGOTTEN = 200;

const wordSchema = z.object({ id: z.string(), reason: z.string(), at: z.string(), by: z.string() });
/** What an operator said of a snapshot, when, and who: the user name of the process. */
export type Word = z.infer<typeof wordSchema>;

const pinsSchema = z.object({ pinned: z.array(wordSchema), forgotten: z.array(wordSchema) });
type Pins = z.infer<typeof pinsSchema>;

const NONE: Pins = { pinned: [], forgotten: [] };

/** The snapshots that are pinned, by id, for who shows them: none where the list cannot be read. */
export async function readPins(store: ObjectStore): Promise<ReadonlyMap<string, Word>> {
  const found = await store.read(PINS_NAME);
  const pins = parse(found?.body ?? (await unprovenIn(store, PINS_NAME)));
  if (found !== null && pins === null) passOver(store, PINS_NAME, found);
  return byId(pins ?? NONE);
}

/** The same for who removes snapshots. Throws `damaged` for a list that is there and cannot be read: it must not count as none. */
export async function demandPins(store: ObjectStore): Promise<ReadonlyMap<string, Word>> {
  const found = await store.read(PINS_NAME);
  return byId(demandReadable(parse(found?.body ?? (await unprovenIn(store, PINS_NAME)))));
}

function byId({ pinned }: Pins): ReadonlyMap<string, Word> {
  return new Map(pinned.map((word) => [word.id, word]));
}

function demandReadable(pins: Pins | null): Pins {
  if (pins !== null) return pins;
  throw new AppError('damaged', `The list of pinned snapshots, ${PINS_NAME}, cannot be read`, {
    hint: 'Bring an older version of the object back, or use the version of soulcaster-backup that wrote it. To go without pins: remove the object from the store.',
  });
}

/** Pins a snapshot; one that is pinned gets the new reason. */
export async function writePin(store: ObjectStore, word: Word): Promise<void> {
  await change(store, (pins) => ({ ...pins, pinned: [...pins.pinned.filter(({ id }) => id !== word.id), word] }));
}

/** False when it was not pinned. */
export function removePin(store: ObjectStore, wanted: string): Promise<boolean> {
  return change(store, (pins) => {
    const pinned = pins.pinned.filter(({ id }) => id !== wanted);
    return pinned.length === pins.pinned.length ? null : { ...pins, pinned };
  });
}

/** Keeps the reason for which a snapshot is removed. */
export async function writeForgotten(store: ObjectStore, word: Word): Promise<void> {
  await change(store, (pins) => ({
    ...pins,
    forgotten: [...pins.forgotten.filter(({ id }) => id !== word.id), word].slice(-MOST_FORGOTTEN),
  }));
}

function change(store: ObjectStore, edit: (pins: Pins) => Pins | null): Promise<boolean> {
  return updateObject(store, PINS_NAME, 'The list of pinned snapshots', async (found) => {
    const next = edit(demandReadable(parse(found?.body ?? (await unprovenIn(store, PINS_NAME)))));
    return next === null ? null : encodeJson(next);
  });
}

/** Null for what cannot be read. */
function parse(body: Buffer | null): Pins | null {
  try {
    return body === null ? NONE : pinsSchema.parse(decodeJson(body));
  } catch {
    return null;
  }
}
