import { indexApp } from '../../lib/app/app.js';
import { AppError } from '../../lib/errors.js';
import { loadWorkspace } from '../data/index.js';
import type { Stack } from '../stack/index.js';
import type { ReindexPorts } from '../../lib/reindex/context.js';
import type { Context } from '../../lib/cli/context.js';
import { counted } from '../../lib/formats.js';
import { printable } from '../../lib/snapshot/ledger.js';
import { table } from '../../lib/cli/output/table.js';
import { reindex } from '../../lib/cli/reindex.js';

type Step = (text: string) => void;

const ITEMS = 60;
const SEED = 171;
const DAMAGED = 25;
const STRAYS = 10;
const NEAREST = 3;

/** Search queries, and words in the title of the expected item. */
const QUESTIONS = [
  ['somebody paid two times', /charged twice|double payment|second invoice/i],
  ['the screen is too bright in the evening', /dark|night/i],
  ['the codes from my phone do not let me in', /2fa|authenticator|locked out/i],
] as const satisfies readonly (readonly [question: string, expected: RegExp])[];

/** A query in plain language and the title of the best match. */
interface Answer {
  readonly question: string;
  readonly title: string;
  readonly score: number;
}

interface Indexed {
  /** Exit code of the re-index; there are no answers unless it is 0. */
  readonly exit: number;
  readonly answers: readonly Answer[];
}

/**
 * Corrupts the index of a project, rebuilds it over the queue, and searches it. Throws when the corrupt index gives the right
 * answer or the rebuilt one a wrong one: the demo would prove nothing.
 */
export async function reindexStory(context: Context, stack: Stack, step: Step): Promise<Indexed> {
  const { reindex: ports } = indexApp(context.env, { log: context.log });
  const loaded = await loadWorkspace({ redisUrl: stack.urls.redis, projects: 1, items: ITEMS, seed: SEED });
  const [project = ''] = Object.keys(loaded.byProject);

  step(`Making the vectors of a third project, with ${counted(ITEMS, 'feedback item')}`);
  const made = await reindex(context, { project, mode: 'in-place', watch: true });
  if (made !== 0) return { exit: made, answers: [] };

  step('Corrupting its index: vectors removed, others overwritten, stray vectors, a cluster that does not exist');
  context.print(`  ${await corruptIndex(ports, project)}`);
  const [[question, meant]] = QUESTIONS;
  const wrong = await search(context, ports, project, question);
  if (wrong.some(({ title }) => meant.test(title))) throw searchError(question, 'was found in the corrupt index');

  step('Re-indexing it over the queue, while search continues');
  const done = await reindex(context, { project, mode: 'in-place', watch: true });
  if (done !== 0) return { exit: done, answers: [] };

  step('Searching again');
  const answers: Answer[] = [];
  for (const [text, words] of QUESTIONS) {
    const [best] = await search(context, ports, project, text);
    if (best === undefined || !words.test(best.title)) throw searchError(text, 'did not come back first');
    answers.push(best);
  }
  return { exit: 0, answers };
}

/** Corrupts the index; returns a description. */
async function corruptIndex({ vectors }: ReindexPorts, project: string): Promise<string> {
  const { vectors: page } = await vectors.range(project, null, ITEMS);
  const isMeant = (title = ''): boolean => QUESTIONS.some(([, expected]) => expected.test(title));
  const dropped = page.filter(({ metadata }) => isMeant(metadata['title']));
  await vectors.remove(
    project,
    dropped.map(({ id }) => id),
  );
  const damaged = page
    .filter((vector) => !dropped.includes(vector))
    .slice(0, DAMAGED)
    .map(({ id, metadata }) => ({
      id,
      values: randomVector(),
      metadata: { ...metadata, cluster_id: 'a-cluster-that-is-gone' },
    }));
  const strays = Array.from({ length: STRAYS }, (_, n) => ({
    id: `stray-${n}`,
    values: randomVector(),
    metadata: { title: `An item that was deleted (${n})`, source: 'manual', cluster_id: '', created_at: '' },
  }));
  await vectors.upsert(project, [...damaged, ...strays]);
  return `${counted(dropped.length, 'vector')} dropped, ${damaged.length} written over, ${counted(strays.length, 'stray')} added`;
}

function searchError(question: string, what: string): AppError {
  return new AppError('internal', `What ${JSON.stringify(question)} means ${what}`, {
    hint: 'Run the demo again with DEBUG=1; if it fails again, report what it prints.',
  });
}

/** Embeds the query as the application does, and shows the nearest items. */
async function search(context: Context, ports: ReindexPorts, project: string, question: string): Promise<Answer[]> {
  const [values = new Float32Array()] = await ports.embedder.embed([question]);
  const matches = await ports.vectors.query(project, values, NEAREST);
  const rows = matches.map(({ score, metadata }) => [score.toFixed(3), printable(metadata['title'] ?? '')]);
  context.print(`  "${question}"\n${table(['score', 'title'], rows)}`);
  return matches.map(({ score, metadata }) => ({ question, title: metadata['title'] ?? '', score }));
}

function randomVector(): Float32Array {
  const values = Float32Array.from({ length: 768 }, () => Math.random() - 0.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}
