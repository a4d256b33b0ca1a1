import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';

/** When an object was last written, by the store's clock, in milliseconds since the epoch; null if it does not exist. */
export async function modifiedAt(store: ObjectStore, name: string): Promise<number | null> {
  for await (const object of store.list(name)) if (object.name === name) return object.modifiedAt;
  return null;
}

/**
 * The current time by the store's clock: the modification time of an object that is written and then removed. Clocks of two
 * machines can differ by any amount; two times of one store cannot. Throws the store's error if it accepts no writes.
 */
export async function storeNow(store: ObjectStore): Promise<number> {
  const name = `probe/${randomUUID()}`;
  await store.create(name, Buffer.from(name));
  try {
    const time = await modifiedAt(store, name);
    if (time !== null) return time;
  } finally {
    await store.remove(name).catch(() => undefined);
  }
  throw new AppError('store-unavailable', 'The store does not list an object that was just written', {
    hint: 'Use a store with strong consistency; `npx soulcaster-backup doctor --env-file .env` checks that.',
    transient: true,
  });
}

/** How long ago an object was last written, by the store's clock, in milliseconds; null if it does not exist. */
export async function ageOf(store: ObjectStore, name: string): Promise<number | null> {
  const written = await modifiedAt(store, name);
  return written === null ? null : Math.max(0, (await storeNow(store)) - written);
}
