import { AppError } from '../errors.js';
import { isId } from '../runs/ids.js';
import { noSnapshotError, snapshotIds } from './catalog.js';
import { findLatest, findNewest, type PassedOver } from './latest.js';
import { manifestName } from './names.js';
import type { TrustContext } from './trust.js';

/** Words that a command accepts instead of an id. */
export const SNAPSHOT_WORDS = ['latest', 'newest'] as const;

/** The beginning of an id, which must include the day. */
const BEGINNING = /^\d{8}[0-9A-Za-z-]*$/;

export interface Selected {
  readonly id: string;
  /** Newer snapshots that `latest` passed over, and why; empty for an id and for `newest`. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * Selects a snapshot: by its id; by the beginning of an id, with the day, that no other has; by `latest`, the newest trusted one,
 * with `at` (milliseconds since the epoch) of those finished by then; or by `newest`, in any state. Throws `not-found`, and `usage`
 * as `findLatest` does.
 */
export async function selectSnapshot(context: TrustContext, wanted: string, at?: number): Promise<Selected> {
  if (wanted === 'newest') {
    const newest = await findNewest(context);
    if (newest !== null) return { id: newest.id, passedOver: [] };
    throw new AppError('not-found', 'There is no snapshot yet', {
      hint: 'Take one: `npx soulcaster-backup backup --env-file .env`.',
    });
  }
  if (wanted === 'latest') {
    const { entry, passedOver } = await findLatest(context, at);
    if (entry !== null) return { id: entry.id, passedOver };
    throw noneTrustedError(passedOver, at);
  }
  if (isId(wanted) && (await context.store.read(manifestName(wanted))) !== null) return { id: wanted, passedOver: [] };
  const [first, ...others] = isId(wanted) ? [] : await idsFrom(context, wanted);
  if (first !== undefined && others.length === 0) return { id: first, passedOver: [] };
  if (first !== undefined) {
    throw new AppError('usage', `${JSON.stringify(wanted)} matches ${others.length + 1} snapshots`, {
      hint: `Give more of the id: ${[first, ...others].slice(0, 3).join(', ')}${others.length > 2 ? ', ...' : ''}.`,
    });
  }
  throw noSnapshotError(wanted);
}

/** Finds the snapshots whose ids begin with a text. */
async function idsFrom({ store }: TrustContext, beginning: string): Promise<string[]> {
  if (!BEGINNING.test(beginning)) return [];
  const ids = (await snapshotIds(store)).filter((id) => id.startsWith(beginning));
  const found: string[] = [];
  for (const id of ids) if ((await store.read(manifestName(id))) !== null) found.push(id);
  return found;
}

function noneTrustedError(passedOver: readonly PassedOver[], at: number | undefined): AppError {
  const when = at === undefined ? '' : ` from ${new Date(at).toISOString()} or before`;
  const words = passedOver.slice(0, 3).map(passedOverWords);
  const why = words.length === 0 ? '' : `: ${words.join('; ')}`;
  const more = passedOver.length > 3 ? `; and ${passedOver.length - 3} more` : '';
  return new AppError(
    'not-found',
    `There is no verified snapshot of this database${when} that can be relied on${why}${more}`,
    {
      hint: hintFor(passedOver, at),
    },
  );
}

/** `20261122T020000Z-x7k2m9 is doubtful: ...` */
export function passedOverWords({ id, state, reasons }: PassedOver): string {
  return `${id} is ${state}: ${reasons.join('; ')}`;
}

function hintFor(passedOver: readonly PassedOver[], at: number | undefined): string {
  const of = (state: PassedOver['state']): PassedOver | undefined => passedOver.find((each) => each.state === state);
  const doubtful = of('doubtful');
  if (doubtful !== undefined) {
    return `If its data are correct, accept it: \`npx soulcaster-backup snapshots accept ${doubtful.id} --reason TEXT --env-file .env\`. Or name a snapshot by its id.`;
  }
  const foreign = of('foreign');
  const source = /source ([0-9a-f]{8})/.exec(foreign?.reasons[0] ?? '')?.[1];
  if (source !== undefined) {
    return `If this database has moved to a new host, adopt its earlier snapshots: \`npx soulcaster-backup snapshots adopt ${source} --reason TEXT --env-file .env\`.`;
  }
  const untrusted = of('untrusted');
  if (untrusted?.reasons[0]?.includes('not signed') === true || of('unverified') !== undefined) {
    return 'Verify and adopt them: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`.';
  }
  if (untrusted !== undefined) {
    return 'Add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY, or name a snapshot by its id.';
  }
  if (of('future') !== undefined) {
    return 'Compare the clock of this machine with that of the store first: `npx soulcaster-backup doctor --env-file .env`; or name a snapshot by its id.';
  }
  if (at !== undefined) {
    return 'See `npx soulcaster-backup snapshots list --env-file .env` for the snapshots there are, and name one by its id or give a later time.';
  }
  return 'Take one: `npx soulcaster-backup backup --env-file .env`, or name a snapshot by its id.';
}
