import { z } from 'zod';
import { passOver, unprovenIn } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

/** `guard/pins.json`: snapshots that are kept regardless of the policy, and forgotten snapshots, with the reasons. */
export const PINS_NAME = 'guard/pins.json';
/** Older forgotten snapshots are dropped from the list; their tombstones stay. */
const MAX_FORGOTTEN = 200;

const decisionSchema = z.object({ id: z.string(), reason: z.string(), at: z.string(), by: z.string() });
/** An operator's decision about a snapshot; `by` is the user name of the process. */
export type Decision = z.infer<typeof decisionSchema>;

const pinsSchema = z.object({ pinned: z.array(decisionSchema), forgotten: z.array(decisionSchema) });
type Pins = z.infer<typeof pinsSchema>;

const NONE: Pins = { pinned: [], forgotten: [] };

/** The pinned snapshots by id, for display: none where the list cannot be read. */
export async function readPins(store: ObjectStore): Promise<ReadonlyMap<string, Decision>> {
  const found = await store.read(PINS_NAME);
  const pins = parse(found?.body ?? (await unprovenIn(store, PINS_NAME)));
  if (found !== null && pins === null) passOver(store, PINS_NAME, found);
  return byId(pins ?? NONE);
}

/** The pinned snapshots by id, for removals. Throws `damaged` for a list that cannot be read: it must not count as empty. */
export async function readPinsOrThrow(store: ObjectStore): Promise<ReadonlyMap<string, Decision>> {
  const found = await store.read(PINS_NAME);
  return byId(assertReadable(parse(found?.body ?? (await unprovenIn(store, PINS_NAME)))));
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

/** False when it was not pinned. */
export function removePin(store: ObjectStore, wanted: string): Promise<boolean> {
  return updatePins(store, (pins) => {
    const pinned = pins.pinned.filter(({ id }) => id !== wanted);
    return pinned.length === pins.pinned.length ? null : { ...pins, pinned };
  });
}

/** Stores the reason why a snapshot is removed. */
export async function writeForgotten(store: ObjectStore, decision: Decision): Promise<void> {
  await updatePins(store, (pins) => ({
    ...pins,
    forgotten: [...pins.forgotten.filter(({ id }) => id !== decision.id), decision].slice(-MAX_FORGOTTEN),
  }));
}

function updatePins(store: ObjectStore, edit: (pins: Pins) => Pins | null): Promise<boolean> {
  return updateObject(store, PINS_NAME, 'The list of pinned snapshots', async (found) => {
    const next = edit(assertReadable(parse(found?.body ?? (await unprovenIn(store, PINS_NAME)))));
    return next === null ? null : encodeJson(next);
  });
}

/** Null for a list that cannot be read. */
function parse(body: Buffer | null): Pins | null {
  try {
    return body === null ? NONE : pinsSchema.parse(decodeJson(body));
  } catch {
    return null;
  }
}
