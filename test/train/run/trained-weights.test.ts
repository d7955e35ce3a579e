// Tests loading the weights that a run wrote.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { Embedder, readRun } from '../../../lib/train/index.ts';
import { loadTrained, trainedTemperatures } from '../../../lib/train/run/trained-weights.ts';
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

test.serial('a learnable scalar that the run cannot have learned is rejected', async (t) => {
  const folder = await t.context.copy();
  const model = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(model);
  const { config } = await readRun(folder);
  const network = JSON.parse(metadata['horoball']!);
  using embedder = await Embedder.create(network);
  const { t_e, hyp_c, learn_range } = config;
  const write = async (t_e: number, c: number): Promise<void> => {
    const horoball = JSON.stringify({ ...network, c });
    const more = { horoball, 'horoball.temperatures': JSON.stringify({ t_e }) };
    await writeSafetensors(model, tensors, { metadata: { ...metadata, ...more } });
  };
  const of = (name: string) => ({
    code: 'ERR_HOROBALL_WEIGHTS',
    message: new RegExp(`^\\[run\\] ${name}: expected`),
  });
  const learned = { ...config, learn: 't_e,hyp_c' };
  for (const factor of [learn_range, 1 / learn_range]) {
    await write(factor * t_e, factor * hyp_c);
    t.is((await trainedTemperatures(model, learned)).tauE, factor * t_e);
    await loadTrained(model, embedder, learned);
    t.is(embedder.c, factor * hyp_c);
    await t.throwsAsync(trainedTemperatures(model, config), of('t_e'));
    await t.throwsAsync(loadTrained(model, embedder, config), of('hyp_c'));
  }
  for (const value of [1.01 * learn_range * Math.max(t_e, hyp_c), 1e300, 5e-324]) {
    await write(value, value);
    await t.throwsAsync(trainedTemperatures(model, learned), of('t_e'));
    await t.throwsAsync(loadTrained(model, embedder, learned), of('hyp_c'));
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
