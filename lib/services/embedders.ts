import type { Embedder } from '../ports/embedder.js';
import type { EmbedderOptions } from './embedder-kind.js';
import { allOf } from '../variable-forms.js';
import { geminiKind } from './gemini/embedder.js';

const EMBEDDERS = [geminiKind];

/** The variables of every service that embeds. */
export const EMBEDDER_SHAPE = allOf(EMBEDDERS.map(({ shape }) => shape));

/** Those of their keys: an embedder is meant where one of them is set. */
export const EMBEDDER_KEYS = EMBEDDERS.map(({ key }) => key);

type Settings = Readonly<Record<string, unknown>>;

/** What is wrong with the variables together, as [names, message]; null when one service is meant. */
export function embedderProblem(settings: Settings): readonly [names: string, message: string] | null {
  const [first, second] = EMBEDDER_KEYS.filter((key) => settings[key] !== undefined);
  if (first === undefined) return [EMBEDDER_KEYS.join(' or '), 'is missing'];
  return second === undefined ? null : [first, `and ${second} are both set: only one of them can embed`];
}

/** The service whose key is set, of settings without a problem. */
export function openEmbedder(settings: Settings, options: EmbedderOptions): Embedder {
  const kind = EMBEDDERS.find(({ key }) => settings[key] !== undefined);
  if (kind === undefined) throw new TypeError('no key of an embedder is set');
  return kind.open(settings as Readonly<Record<string, string | undefined>>, options);
}
