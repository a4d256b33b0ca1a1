import { signUnsigned } from '../control/authenticated-store.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { RUN_STATES } from '../runs/model.js';
import { runIds } from '../runs/recent.js';
import { runName } from '../runs/records.js';
import { snapshotIds } from './catalog.js';
import { acceptedName } from './names.js';

/** What operators said, and what drills proved. Leases are ended instead, and webhook ids are too old to matter. */
const PREFIXES = ['guard/', 'drills/', 'credentials/'] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Signs the control state from before a signing key was set: records of runs, drills, the erasure list, pins, adopted sources,
 * marks of unfinished restores, acceptances. A run that had not ended is ended, since nobody may resume it. Returns the
 * names of what was signed. `at`: ISO 8601.
 */
export async function signUnsignedState(store: ObjectStore, at: string): Promise<string[]> {
  const signed: string[] = [];
  const sign = async (name: string, edit?: (body: Buffer) => Buffer | null): Promise<void> => {
    if (await signUnsigned(store, name, edit)) signed.push(name);
  };
  for (const prefix of PREFIXES) {
    const names: string[] = [];
    for await (const { name } of store.list(prefix)) names.push(name);
    for (const name of names) await sign(name);
  }
  for (const id of await snapshotIds(store)) await sign(acceptedName(id));
  for (const id of await runIds(store)) await sign(runName(id), (body) => endedRecord(body, at));
  return signed;
}

/** Null for what is no record of a run. */
function endedRecord(body: Buffer, at: string): Buffer | null {
  // What it hides is for the attempt that would have continued; the texts beside it no longer fit.
  const { details: hidden, ...fields } = decodeJson(body) as Fields;
  const state = RUN_STATES.find((known) => known === fields['state']);
  if (state === undefined) return null;
  if (state !== 'running' && state !== 'waiting') return body;
  const ended = { ...fields, state: 'failed', checkpoint: null, finishedAt: at, nextAttemptAt: null, error: NOT_ENDED };
  return encodeJson(hidden === undefined ? ended : { ...ended, hidden: true });
}

const NOT_ENDED = {
  code: 'cancelled',
  message: 'The run had not ended when a signing key was set, and its record carried no signature',
  hint: 'Start it again. What it had written stays.',
};
