// Tests loading the weights that a run wrote.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { Embedder, readRun } from '../../../lib/train/index.ts';
import { loadTrained } from '../../../lib/train/run/trained-weights.ts';
import { type StoppedRun, stoppedRun } from './stopped-run.ts';

const test = ava as TestFn<StoppedRun>;

test.before(async (t) => {
  t.context = await stoppedRun();
});
test.after.always((t) => t.context.remove());

test.serial('a weights file with an invalid curvature is rejected', async (t) => {
  const folder = await t.context.copy();
  const model = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(model);
  const { config } = await readRun(folder);
  using embedder = await Embedder.create(JSON.parse(metadata['horoball']!));
  for (const c of [-1, 'x', null]) {
    const horoball = JSON.stringify({ ...JSON.parse(metadata['horoball']!), c });
    await writeSafetensors(model, tensors, { metadata: { ...metadata, horoball } });
    const load = loadTrained(model, embedder, { ...config, learn: 'hyp_c' });
    await t.throwsAsync(load, { code: 'ERR_HOROBALL_FORMAT' });
  }
});

test.serial('weights that a run replaces while they are loaded are rejected', async (t) => {
  const folder = await t.context.copy();
  const [model, other] = [join(folder, 'model.safetensors'), join(folder, 'other.safetensors')];
  const { tensors, metadata } = await readSafetensors(model);
  const { config } = await readRun(folder);
  const network = JSON.parse(metadata['horoball']!);
  const horoball = JSON.stringify({ ...network, c: network.c / 2 });
  await writeSafetensors(other, tensors, { metadata: { ...metadata, horoball } });
  using embedder = await Embedder.create(network);
  const { loadState } = embedder;
  embedder.loadState = async (...args) => {
    await rename(other, model); // as a run does between two reads of its weights
    return await loadState.apply(embedder, args);
  };
  const load = loadTrained(model, embedder, { ...config, learn: 'hyp_c' });
  await t.throwsAsync(load, { code: 'ERR_HOROBALL_RUN_BUSY', message: /another program replaced/ });
});
