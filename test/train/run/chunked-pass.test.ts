import test from 'ava';
import type { Embeddings } from '../../../lib/train/lane/embedder.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { backwardInChunks, embedInChunks } from '../../../lib/train/run/chunked-pass.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { tinyConfig, tinySamples } from './tiny-learner.ts';

test.before(() => setThreads(1));

/** Stop points that record when they are reached. */
function recorder(): { calls: string[]; stop: { between(): Promise<void>; after(): Promise<void> } } {
  const calls: string[] = [];
  const record = (name: string) => async (): Promise<void> => {
    calls.push(name);
  };
  return { calls, stop: { between: record('between'), after: record('after') } };
}

test.serial(
  'a batch of several chunks stops between them, and completes its gradients with the last',
  async (t) => {
    using learner = await Learner.create(tinyConfig());
    const samples = tinySamples();
    const { calls, stop } = recorder();
    const whole = (): never => t.fail() as never;
    using embeddings = await embedInChunks(learner.embedder, samples, 3, stop, whole);
    t.deepEqual(calls.splice(0), ['between', 'between', 'between', 'after']);
    using objective = learner.loss.apply(embeddings, samples.labels);
    const sum = { arm: () => void calls.push('arm') };
    await backwardInChunks(embeddings, true, stop, sum, () => {
      calls.push('loss');
      objective.backward();
    });
    t.deepEqual(calls, ['loss', 'between', 'between', 'after', 'arm']);
  },
);

test.serial('a batch of one chunk is embedded whole, and disposed of if the run stops', async (t) => {
  using learner = await Learner.create(tinyConfig());
  const samples = tinySamples();
  const whole = (): Embeddings => {
    using batch = learner.batch(samples);
    return learner.embedder.forward(batch);
  };
  const { calls, stop } = recorder();
  const allComputed = (): Promise<unknown> => learner.embedder.state(); // `memory` counts only the bytes of computed results
  await allComputed();
  const before = memory();
  const stopped = { ...stop, after: () => Promise.reject(new Error('stopped')) };
  await t.throwsAsync(embedInChunks(learner.embedder, samples, samples.count, stopped, whole), {
    message: 'stopped',
  });
  await allComputed();
  t.deepEqual(memory(), before);
  using embeddings = await embedInChunks(learner.embedder, samples, samples.count, stop, whole);
  const sum = { arm: () => void calls.push('arm') };
  await backwardInChunks(embeddings, true, stop, sum, () => calls.push('loss'));
  await backwardInChunks(embeddings, false, stop, sum, () => calls.push('loss'));
  t.deepEqual(calls, ['after', 'after', 'arm', 'loss', 'arm', 'loss']);
});
