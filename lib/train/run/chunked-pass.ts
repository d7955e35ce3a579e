// Gradient caching of a run (`chunk`): a batch is embedded in chunks without a graph, and the backward pass embeds each
// chunk again.
import type { LabeledBatch } from '../data/types.ts';
import { CachedEmbeddings, SteppedEmbeddings } from '../lane/cached.ts';
import type { Embedder, Embeddings } from '../lane/embedder.ts';
import type { LossInputs } from '../lane/inputs.ts';
import type { StopPoints } from './stop.ts';

/** Embeds a batch in chunks; a batch that fits in one is embedded by `whole`. The run may stop between and after chunks. */
export async function embedInChunks(
  embedder: Embedder,
  samples: LabeledBatch,
  chunk: number,
  stop: StopPoints,
  whole: () => Embeddings,
): Promise<Embeddings | SteppedEmbeddings> {
  const embeddings =
    chunk < samples.count
      ? await SteppedEmbeddings.create(embedder, samples, chunk, () => stop.between())
      : whole();
  try {
    await stop.after();
  } catch (error) {
    embeddings.dispose();
    throw error;
  }
  return embeddings;
}

/**
 * Queues the backward pass of the loss, then the backward pass of every chunk.
 *
 * @param isChunked - whether gradient caching is enabled; the run may then stop before the gradients are complete
 * @param sum - sums the gradients over the ranks; its `arm` is called before the last backward pass is queued
 * @param queue - queues the backward pass of the loss
 */
export async function backwardInChunks(
  embeddings: LossInputs,
  isChunked: boolean,
  stop: StopPoints,
  sum: { arm(): void },
  queue: () => void,
): Promise<void> {
  const arm = async (): Promise<void> => {
    if (isChunked) await stop.after();
    sum.arm();
  };
  const isStepped = embeddings instanceof SteppedEmbeddings;
  const isCached = embeddings instanceof CachedEmbeddings;
  if (!isStepped && !isCached) await arm();
  queue();
  if (isStepped) await embeddings.backward(() => stop.between(), arm);
  if (isCached) embeddings.backward(() => sum.arm());
}
