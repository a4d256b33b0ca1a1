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
/** Longer than any call to the host with its retries; the lease of a dead process expires after this time. */
const TIMES = { attemptTtlMs: 120_000, holdMs: 120_000 };
/** An unfinished rotation older than a week is ignored. */
const UNFINISHED_MS = 7 * 24 * 3_600_000;

/** A journal that this process writes. */
export interface JournalWriter {
  readonly journal: Journal;
  /** Writes the journal with changes, before or after the step that they record. Throws `fenced` when another process owns it. */
  save(changes: Partial<Pick<Journal, 'state' | 'error'>>): Promise<void>;
  saveStep(step: Step, state: Step['state']): Promise<void>;
  saveDeployment(deployment: DeploymentStep, state: DeploymentStep['state']): Promise<void>;
  /** Ignores failures of the store from now on: the state is kept in memory. */
  continueWithoutStore(): void;
  /** Renews the lease if the last renewal was some time ago. */
  keepAlive(): Promise<void>;
  release(): Promise<void>;
}

const nameOf = (id: string): string => `${FOLDER}${id}.json`;

/** The newest unfinished rotation of this purpose; an unreadable journal is ignored. */
export async function unfinishedRotation(ports: Needs, purpose: string): Promise<Journal | null> {
  let newest: Journal | null = null;
  for await (const { name } of ports.store.list(FOLDER)) {
    const id = name.slice(FOLDER.length).replace(/\.json$/, '');
    if (!(ports.clock.now() - timeOfId(id) < UNFINISHED_MS)) continue;
    const found = await ports.store.read(name);
    const journal = found === null ? null : (journalSchema.safeParse(parseOrNull(found.body)).data ?? null);
    if (journal?.purpose === purpose) newest = journal;
  }
  return newest?.state === 'changing' || newest?.state === 'rolling-back' ? newest : null;
}

/** Takes the lease and creates a journal. Throws `locked` while another rotation is in progress. */
export async function beginJournal(ports: Needs, request: RotationRequest, plan: Plan): Promise<JournalWriter> {
  const now = ports.clock.now();
  const id = newId(now);
  const lease = await claimRotationLease(ports, id);
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
  return createWriter(ports, journal, created.etag, lease);
}

/** Takes over an unfinished journal. Throws `locked` while the process that wrote it may be alive. */
export async function resumeJournal(ports: Needs, id: string): Promise<JournalWriter> {
  const lease = await claimRotationLease(ports, id);
  const found = await ports.store.read(nameOf(id));
  if (found === null) throw fencedError();
  return createWriter(ports, journalSchema.parse(decodeJson(found.body)), found.etag, lease);
}

/** Closes an unfinished journal that another rotation replaces. */
export async function supersede(ports: Needs, id: string): Promise<void> {
  const found = await ports.store.read(nameOf(id));
  if (found === null) return;
  const journal = journalSchema.parse(decodeJson(found.body));
  await ports.store.swap(nameOf(id), encodeJson({ ...journal, state: 'superseded' }), found.etag);
}

function createWriter(ports: Needs, first: Journal, firstEtag: string, firstLease: Lease): JournalWriter {
  let [journal, etag, lease, renewedAt] = [first, firstEtag, firstLease, ports.clock.now()];
  let tolerant = false;
  const tolerate = async (work: () => Promise<void>): Promise<void> => {
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
    await tolerate(async () => {
      await renew();
      const swapped = await ports.store.swap(nameOf(journal.id), encodeJson(journal), etag);
      if (swapped === null && !tolerant) throw fencedError();
      etag = swapped ?? etag;
    });
  };
  const isSame = (a: { project: string; variable?: string }, b: typeof a): boolean =>
    a.project === b.project && a.variable === b.variable;
  return {
    get journal() {
      return journal;
    },
    save: write,
    saveStep: (step, state) =>
      write({ steps: journal.steps.map((one) => (isSame(one, step) ? { ...one, state } : one)) }),
    saveDeployment: (deployment, state) =>
      write({ deployments: journal.deployments.map((one) => (isSame(one, deployment) ? { ...one, state } : one)) }),
    continueWithoutStore: () => void (tolerant = true),
    async keepAlive() {
      if (ports.clock.now() - renewedAt > TIMES.attemptTtlMs / 4) await tolerate(renew);
    },
    release: () => releaseLease(ports, lease),
  };
}

async function claimRotationLease(ports: Needs, id: string): Promise<Lease> {
  const claimed = await claimLease(ports, LEASE, id, TIMES);
  if (claimed.granted) return claimed.lease;
  throw new AppError('locked', `Another rotation is in progress: ${claimed.holder}`, {
    hint: `Wait until it is over. If its process is dead, its lease expires in ${Math.ceil(claimed.waitMs / 1000)} seconds.`,
  });
}

function parseOrNull(body: Uint8Array): unknown {
  try {
    return decodeJson(body);
  } catch {
    return null;
  }
}

function fencedError(): AppError {
  return new AppError('fenced', 'Another process has taken the rotation over', {
    hint: 'Nothing to do: the other process continues with it.',
  });
}
