import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { Ports } from '../ports/index.js';
import { newId, timeOfId } from '../runs/ids.js';
import { claimLease, releaseLease, renewLease, type Lease } from '../runs/lease.js';
import {
  fingerprint,
  journalSchema,
  type DeploymentStep,
  type Journal,
  type RotationRequest,
  type Step,
} from './model.js';
import type { Plan } from './plan.js';

type Needs = Pick<Ports, 'clock' | 'store'>;

const FOLDER = 'rotations/';
const LEASE = 'rotation';
/** Longer than any one call to the host with its retries; a dead process gives way after it. */
const TIMES = { attemptTtlMs: 120_000, holdMs: 120_000 };
/** An unfinished rotation that is older than a week is history. */
const UNFINISHED_MS = 7 * 24 * 3_600_000;

/** A journal in the hands of this process. */
export interface Keeper {
  readonly journal: Journal;
  /** Writes the journal with changes, before or after what it tells of. Throws `fenced` when another process has it. */
  save(changes: Partial<Pick<Journal, 'state' | 'error'>>): Promise<void>;
  step(step: Step, state: Step['state']): Promise<void>;
  deployment(deployment: DeploymentStep, state: DeploymentStep['state']): Promise<void>;
  /** From now on a store that fails keeps nobody from going on: what was done is known in memory. */
  goOnWithoutStore(): void;
  /** Says that the process is alive, at most once in a while. */
  stillHere(): Promise<void>;
  release(): Promise<void>;
}

const nameOf = (id: string): string => `${FOLDER}${id}.json`;

/** The newest rotation of this purpose that did not come to an end; one that cannot be read is passed over. */
export async function unfinishedRotation(ports: Needs, purpose: string): Promise<Journal | null> {
  let newest: Journal | null = null;
  for await (const { name } of ports.store.list(FOLDER)) {
    const id = name.slice(FOLDER.length).replace(/\.json$/, '');
    if (!(ports.clock.now() - timeOfId(id) < UNFINISHED_MS)) continue;
    const found = await ports.store.read(name);
    const journal = found === null ? null : (journalSchema.safeParse(parsed(found.body)).data ?? null);
    if (journal?.purpose === purpose) newest = journal;
  }
  return newest?.state === 'changing' || newest?.state === 'rolling-back' ? newest : null;
}

/** Takes the lease and begins a journal. Throws `locked` while another rotation is in progress. */
export async function beginJournal(ports: Needs, request: RotationRequest, plan: Plan): Promise<Keeper> {
  const now = ports.clock.now();
  const id = newId(now);
  const lease = await claim(ports, id);
  const time = new Date(now).toISOString();
  const journal: Journal = {
    id,
    purpose: request.purpose,
    state: 'changing',
    createdAt: time,
    updatedAt: time,
    steps: plan.steps.map(({ project, variable, old, value, wasAbsent }) => ({
      project,
      variable,
      was: wasAbsent ? 'absent' : old === null ? 'unreadable' : fingerprint(id, old),
      becomes: fingerprint(id, value),
      state: 'old',
    })),
    deployments: plan.deployments.map(({ project, from }) => ({
      project,
      from: { id: from.id, name: from.name },
      state: 'none',
    })),
    error: null,
  };
  const created = await ports.store.create(nameOf(id), encodeJson(journal));
  if (!created.created) throw new AppError('busy', 'Two rotations began at once', { hint: 'Try again.' });
  return keeper(ports, journal, created.etag, lease);
}

/** Takes an unfinished journal over. Throws `locked` while the process that wrote it may be alive. */
export async function resumeJournal(ports: Needs, id: string): Promise<Keeper> {
  const lease = await claim(ports, id);
  const found = await ports.store.read(nameOf(id));
  if (found === null) throw fenced();
  return keeper(ports, journalSchema.parse(decodeJson(found.body)), found.etag, lease);
}

/** Closes an unfinished journal that another rotation takes the place of. */
export async function supersede(ports: Needs, id: string): Promise<void> {
  const found = await ports.store.read(nameOf(id));
  if (found === null) return;
  const journal = journalSchema.parse(decodeJson(found.body));
  await ports.store.swap(nameOf(id), encodeJson({ ...journal, state: 'superseded' }), found.etag);
}

function keeper(ports: Needs, first: Journal, firstEtag: string, firstLease: Lease): Keeper {
  let [journal, etag, lease, renewedAt] = [first, firstEtag, firstLease, ports.clock.now()];
  let tolerant = false;
  const tolerating = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!tolerant || (error instanceof AppError && error.code === 'fenced')) throw error;
    }
  };
  const renew = async (): Promise<void> => {
    lease = await renewLease(ports, lease, TIMES);
    renewedAt = ports.clock.now();
  };
  const write = async (changes: Partial<Journal>): Promise<void> => {
    journal = { ...journal, ...changes, updatedAt: new Date(ports.clock.now()).toISOString() };
    await tolerating(async () => {
      await renew();
      const swapped = await ports.store.swap(nameOf(journal.id), encodeJson(journal), etag);
      if (swapped === null && !tolerant) throw fenced();
      etag = swapped ?? etag;
    });
  };
  const is = (a: { project: string; variable?: string }, b: typeof a): boolean =>
    a.project === b.project && a.variable === b.variable;
  return {
    get journal() {
      return journal;
    },
    save: write,
    step: (step, state) => write({ steps: journal.steps.map((one) => (is(one, step) ? { ...one, state } : one)) }),
    deployment: (deployment, state) =>
      write({ deployments: journal.deployments.map((one) => (is(one, deployment) ? { ...one, state } : one)) }),
    goOnWithoutStore: () => void (tolerant = true),
    async stillHere() {
      if (ports.clock.now() - renewedAt > TIMES.attemptTtlMs / 4) await tolerating(renew);
    },
    release: () => releaseLease(ports, lease),
  };
}

async function claim(ports: Needs, id: string): Promise<Lease> {
  const claimed = await claimLease(ports, LEASE, id, TIMES);
  if (claimed.granted) return claimed.lease;
  throw new AppError('locked', `Another rotation is in progress: ${claimed.holder}`, {
    hint: `Wait for it. If its process is dead, it gives way in ${Math.ceil(claimed.waitMs / 1000)} seconds.`,
  });
}

function parsed(body: Uint8Array): unknown {
  try {
    return decodeJson(body);
  } catch {
    return null;
  }
}

function fenced(): AppError {
  return new AppError('fenced', 'Another process has taken the rotation over', {
    hint: 'Nothing to do: the other process continues with it.',
  });
}
