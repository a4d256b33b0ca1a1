import type { Attempt, StepOutcome } from '../../runs/model.js';
import { inputOf, continueLater, stateOf, type ReindexCheckpoint } from '../checkpoint.js';
import { throwIfAborted, type ReindexPorts } from '../context.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain } from '../../redis/scan.js';
import { addKey, storeFound, type Found, scanKeys } from './found.js';

/** Ids in one stored object: about a megabyte. */
const IDS_PER_CHUNK = 20_000;

/**
 * Walks the whole database once and stores what it finds of the scope; then `next`. A pattern would save nothing: SCAN
 * visits every key anyway, and an id may contain characters that are special in patterns.
 */
export async function scanStep(
  ports: ReindexPorts,
  attempt: Attempt,
  round: string,
  next: (state: ReindexCheckpoint) => Promise<StepOutcome> | StepOutcome,
): Promise<StepOutcome> {
  const { scope } = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  if (state.cursor === null) state = { ...state, chunks: [], seen: 0, walk: NEW_WALK };
  state = { ...state, walk: await beginWalk(ports.redis, state.walk) };
  let count = nameCounter(state.walk);
  let found: Found = new Map();
  let ids = 0;
  const keep = async (cursor: string | null): Promise<void> => {
    const name = `runs/${attempt.run.id}/found/${round}-${attempt.fence}-${state.chunks.length}.json`;
    await storeFound(ports.store, name, found);
    state = { ...state, cursor, chunks: [...state.chunks, name] };
    found = new Map();
    ids = 0;
  };
  for (;;) {
    for await (const page of scanKeys(ports.redis, state.cursor ?? '0')) {
      throwIfAborted(attempt.signal);
      for (const key of page.keys) ids += addKey(found, scope, key);
      state = { ...state, seen: state.seen + count(page.keys.map(({ key }) => key)) };
      const isTime = attempt.timeIsUp() && page.next !== null;
      if (isTime || page.next === null || ids >= IDS_PER_CHUNK) await keep(page.next);
      if (isTime) return continueLater(state, state.seen);
      if (ids === 0 && page.next !== null && state.cursor === page.next) await attempt.save(state, progressOf(state));
      attempt.report(() => progressOf(state));
    }
    const again = await walkAgain(ports.redis, state.walk, state.seen);
    if (again === null) return next({ ...state, cursor: null, walk: NEW_WALK });
    // The findings of the broken walk are kept: they existed, and a key that is returned again counts once.
    state = { ...state, cursor: '0', seen: 0, walk: again };
    count = nameCounter(again);
    await attempt.save(state, progressOf(state));
    if (attempt.timeIsUp()) return continueLater(state, state.seen);
  }
}

function progressOf({ seen }: ReindexCheckpoint) {
  return { done: seen, total: null, unit: 'keys', bytes: 0 } as const;
}
