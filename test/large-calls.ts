// Calls of asynchronous exports on matrices so large that one pass over a matrix on the main thread takes longer than
// any turn of the event loop should.
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as core from '../lib/index.ts';
import type { CoreCall } from './core-calls.ts';

const { Gallery, matrix } = core;

const c = 0.8;
/** One thread, so that the main thread dominates the CPU time of the process. */
const how = { c, threads: 1 } as const;
const cols = 32;
const few = 16;

/** Returns calls on matrices of `numbers` elements, a power of 2. `close` disposes of the objects that they share. */
export async function largeCalls(
  numbers: number,
): Promise<{ calls: CoreCall[]; close: () => Promise<void> }> {
  const rows = numbers / cols;
  const data = Float32Array.from({ length: numbers }, (_, i) => 0.02 * (((i * 7919) % 1021) / 1021 - 0.4));
  const tall = matrix(data, rows, cols);
  const column = matrix(data, numbers, 1);
  const wide = matrix(data, numbers >> 15 || few, Math.min(1 << 15, numbers / few));
  const some = matrix(data.slice(0, few * cols), few, cols);
  const row = data.slice(0, cols);
  const ofColumn = new Float32Array(numbers).fill(1);
  const ofRows = ofColumn.subarray(0, rows);
  const toSome = matrix(ofColumn.subarray(0, rows * few), rows, few);
  const labels = Int32Array.from({ length: rows }, (_, i) => i % 1000);
  const first = Int32Array.from({ length: few }, (_, i) => i);
  const pairs = Int32Array.from({ length: wide.rows }, (_, i) => i >> 1);
  const batch = { euclidean: wide, normalize: true, tied: true, labels: pairs, ...how };
  const most = Int32Array.from({ length: (rows >> 1) + 1 }, (_, i) => i);
  const file = join(tmpdir(), `horoball-large-${process.pid}.safetensors`);
  const filled = async (): Promise<core.Gallery<Float32Array>> => {
    const gallery = new Gallery<Float32Array>({ c });
    await gallery.add(tall, labels);
    return gallery;
  };
  const shared = await filled();
  await shared.save(file);
  const calls: CoreCall[] = Object.entries({
    normalize: () => core.normalize(tall),
    mobiusAdd: () => core.mobiusAdd(tall, row, how),
    'mobiusAdd.vjp': () => core.mobiusAdd.vjp(tall, row, tall, how),
    weightedMidpoint: () => core.weightedMidpoint(column, ofColumn, how),
    'weightedMidpoint.vjp': () => core.weightedMidpoint.vjp(column, ofColumn, ofColumn.subarray(0, 1), how),
    frechetMean: () => core.frechetMean(tall, { ...how, weights: ofRows }),
    'frechetMean.vjp': () => core.frechetMean.vjp(tall, row, how),
    pairwiseDistance: () => core.pairwiseDistance(tall, some, how),
    'pairwiseDistance.vjp': () => core.pairwiseDistance.vjp(tall, some, toSome, how),
    topK: () => core.topK(tall, some, { ...how, k: 2 }),
    rerank: () => core.rerank(some, tall, first, { ...how, k: 1 }),
    retrievalMetrics: () => core.retrievalMetrics(tall, labels, { ...how, query: first }),
    clusteringMetrics: () =>
      core.clusteringMetrics(tall, labels, { ...how, clusters: 2, iterations: 1, restarts: 1 }),
    gromovDelta: () => core.gromovDelta(tall, { size: few, samples: 2, threads: 1 }),
    hybridContrastiveLoss: () => core.hybridContrastiveLoss(batch),
    contrastiveLoss: () => core.contrastiveLoss({ ...batch, ref: { euclidean: wide, labels: pairs } }),
    negativeWeights: () => core.negativeWeights({ ...batch, anchors: [0, 5] }),
    toInnerProductIndex: () => core.toInnerProductIndex(tall, { ...how, role: 'query' }),
    'Gallery.add': async () => (await filled()).dispose(),
    'Gallery.remove': async () => {
      const gallery = await filled();
      await gallery.remove(most);
      gallery.dispose();
    },
    'Gallery.topK': () => shared.topK(some, { k: 2, labels: [1, 2], threads: 1 }),
    'Gallery.buildIndex': () => shared.buildIndex({ lists: 4, threads: 1 }),
    'Gallery.save': () => shared.save(file),
    'Gallery.load': async () => (await Gallery.load(file)).dispose(),
  } satisfies Record<string, () => Promise<unknown>>).map(([name, run]) => ({ name, run }));
  const close = async (): Promise<void> => {
    shared.dispose();
    await rm(file, { force: true });
  };
  return { calls, close };
}
