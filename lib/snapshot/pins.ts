import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

/** `guard/pins.json`: which snapshots stay whatever the policy says, and which were forgotten on purpose, with the reasons. */
export const PINS_NAME = 'guard/pins.json';
const ATTEMPTS = 12;
/** Of forgotten ones, the newest; their tombstones stay. */
const MOST_FORGOTTEN = 200;

const wordSchema = z.object({ id: z.string(), reason: z.string(), at: z.string(), by: z.string() });
/** What an operator said of a snapshot, when, and who: the user name of the process. */
export type Word = z.infer<typeof wordSchema>;

const pinsSchema = z.object({ pinned: z.array(wordSchema), forgotten: z.array(wordSchema) });
type Pins = z.infer<typeof pinsSchema>;

const NONE: Pins = { pinned: [], forgotten: [] };

/** The snapshots that are pinned, by id. */
export async function readPins(store: ObjectStore): Promise<ReadonlyMap<string, Word>> {
  const found = await store.read(PINS_NAME);
  const pins = parse(found?.body);
  if (found !== null && pins === NONE) passOver(store, PINS_NAME, found);
  return new Map(pins.pinned.map((word) => [word.id, word]));
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

async function change(store: ObjectStore, edit: (pins: Pins) => Pins | null): Promise<boolean> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await store.read(PINS_NAME);
    const next = edit(parse(found?.body));
    if (next === null) return false;
    const body = encodeJson(next);
    if (found === null && (await store.create(PINS_NAME, body)).created) return true;
    if (found !== null && (await store.swap(PINS_NAME, body, found.etag)) !== null) return true;
  }
  throw new AppError('busy', 'The list of pinned snapshots changes hands too fast', {
    hint: 'Try again.',
    transient: true,
  });
}

/** What cannot be read names none. */
function parse(body: Buffer | undefined): Pins {
  try {
    return body === undefined ? { ...NONE } : pinsSchema.parse(decodeJson(body));
  } catch {
    return NONE;
  }
}
