import type { Embedder } from '../ports/embedder.js';
import type { EmbedderOptions } from './embedder-kind.js';
import { allOf } from '../variable-forms.js';
import { geminiKind } from './gemini/embedder.js';

const EMBEDDERS = [geminiKind];

/** The variables of all embedding services. */
export const EMBEDDER_SHAPE = allOf(EMBEDDERS.map(({ shape }) => shape));

/** The variables of their API keys: an embedder is configured when one of them is set. */
export const EMBEDDER_KEYS = EMBEDDERS.map(({ key }) => key);

type Settings = Readonly<Record<string, unknown>>;

/** What is wrong with the variables together, as [names, message]; null when exactly one service is configured. */
export function findEmbedderProblem(settings: Settings): readonly [names: string, message: string] | null {
  const [first, second] = EMBEDDER_KEYS.filter((key) => settings[key] !== undefined);
  if (first === undefined) return [EMBEDDER_KEYS.join(' or '), 'is missing'];
  return second === undefined ? null : [first, `and ${second} are both set: only one of them can embed`];
}

/** Opens the service whose key is set. The settings have no problem. */
export function openEmbedder(settings: Settings, options: EmbedderOptions): Embedder {
  const kind = EMBEDDERS.find(({ key }) => settings[key] !== undefined);
  if (kind === undefined) throw new TypeError('no key of an embedder is set');
  return kind.open(settings as Readonly<Record<string, string | undefined>>, options);
}
