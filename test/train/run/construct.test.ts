import { join } from 'node:path';
import test from 'ava';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { openTestSet } from '../../../lib/train/measure/test-set.ts';
import {
  createEmbedder,
  createLoss,
  createOptimizer,
  evaluationOf,
  newEmbedder,
} from '../../../lib/train/run/construct.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { saveWeights } from '../../../lib/train/run/trained-weights.ts';
import { networkError } from '../../tolerances.ts';
import { temporary, writeClasses } from '../data/support.ts';
import { flat, tinyEmbedder, tinyViT } from '../helpers.ts';
import { takeStep, tinyConfig, tinySamples } from './tiny-learner.ts';

test.serial('a network uses the options and the seed of its run', async (t) => {
  const options = { emb: 5, hyp_c: 0.5, clip_r: 1.5, head: 'hyp-vit', freeze: 1, seed: 3 } as const;
  using one = await newEmbedder(tinyConfig(options));
  const { dim, c, clipR, head, freezeBlocks, freezePatchEmbed, compat } = one.config;
  t.deepEqual(
    [dim, c, clipR, head, freezeBlocks, freezePatchEmbed, compat],
    [5, 0.5, 1.5, 'hyp-vit', 1, true, null],
  );
  using same = await newEmbedder(tinyConfig(options));
  using other = await newEmbedder(tinyConfig({ ...options, seed: 4 }));
  t.deepEqual(flat(await same.state()), flat(await one.state()));
  t.notDeepEqual(flat(await other.state()), flat(await one.state()));
  using free = await newEmbedder(tinyConfig());
  t.deepEqual([free.config.freezeBlocks, free.config.freezePatchEmbed], [0, false]);
});

test.serial('the input size of a network is the crop of its run', async (t) => {
  using embedder = await newEmbedder(tinyConfig({ crop: 24, resize: 24 }));
  t.is(embedder.config.model.imgSize, 24);
});

test.serial('loads weights from a file, with a note on adaptations', async (t) => {
  const file = join(await temporary(t), 'weights.safetensors');
  using source = await tinyEmbedder({ seed: 9 });
  await saveWeights(file, source);
  const notes: string[] = [];
  using loaded = await createEmbedder(tinyConfig({ weights: file }), (text) => void notes.push(text));
  t.deepEqual(flat(await loaded.state()), flat(await source.state()));
  using larger = await createEmbedder(tinyConfig({ weights: file, crop: 24, resize: 24 }), (text) => {
    notes.push(text);
  });
  t.is(larger.config.model.imgSize, 24);
  t.regex(notes.join('\n'), /pos_embed|position/i);
});

test.serial('a rejected file of another network leaks no handle', async (t) => {
  const file = join(await temporary(t), 'weights.safetensors');
  using source = await tinyEmbedder({ model: { ...tinyViT, depth: 3 } });
  await saveWeights(file, source);
  const { handles } = memory();
  await t.throwsAsync(createEmbedder(tinyConfig({ weights: file })), { code: 'ERR_HOROBALL_WEIGHTS' });
  await t.throwsAsync(createEmbedder(tinyConfig({ weights: join(file, 'none') })));
  t.is(memory().handles, handles);
});

test.serial('the loss uses the geometry and the settings of its run', async (t) => {
  using embedder = await newEmbedder(tinyConfig());
  const options = {
    geometry: 'chordal',
    t_e: 0.3,
    t_h: 0.4,
    lam: 2,
    hyp_c: 0.5,
    clip_r: null,
    reduction: 'mean',
  } as const;
  t.like(createLoss(tinyConfig(options), embedder).options, {
    loss: 'views',
    geometry: 'chordal',
    tied: true,
    views: 2,
    tauE: 0.3,
    tauH: 0.4,
    lambda: 2,
    c: 0.5,
    clipR: null,
    reduction: 'mean',
    compat: null,
  });
  t.is(createLoss(tinyConfig({ compat: 'hypmix' }), embedder).options.compat, 'hypmix');
  t.is(createLoss(tinyConfig({ loss: 'supcon' }), embedder).options.loss, 'supcon');
});

test.serial('an optimizer has the learning rate and the weight decay of the run', async (t) => {
  using embedder = await newEmbedder(tinyConfig());
  using optimizer = createOptimizer(tinyConfig({ lr: 2e-3, weight_decay: 0.1 }), embedder, null);
  t.is(optimizer.options.lr, 2e-3);
  t.is(optimizer.options.weightDecay, 0.1);
});

// The first step of Adam moves every weight that has a gradient by its learning rate.
test.serial('with layer decay, each layer moves by its share of the learning rate', async (t) => {
  const lr = 1e-3;
  const config = tinyConfig({ layer_decay: 0.5, weight_decay: 0, lr });
  using learner = await Learner.create(config);
  const before = await learner.embedder.state();
  await takeStep(learner, 1, tinySamples(), lr);
  const after = await learner.embedder.state();
  const rate = (name: string): number => {
    const old = before.get(name)!.data;
    return Math.max(...after.get(name)!.data.map((value, i) => Math.abs(value - old[i]!))) / lr;
  };
  const rates = {
    'norm.weight': 1,
    'blocks.1.mlp.fc2.weight': 0.5,
    'blocks.0.mlp.fc2.weight': 0.25,
    pos_embed: 0.125,
  };
  for (const [name, want] of Object.entries(rates))
    t.true(Math.abs(rate(name) / want - 1) < networkError.firstStep, `${name}: ${rate(name)}`);
});

test('a run on the CPU evaluates there, and only a hybrid fuses scores', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 4, 2);
  const config = tinyConfig({ path });
  const set = await openTestSet(config);
  const fused = evaluationOf({ ...config, geometry: 'hybrid', lam: 2 }, set, { tauE: 0.5 });
  t.deepEqual(fused.fusion, { tauE: 0.5, tauH: 0.2, lambda: 2, tied: true });
  t.is(fused.device, 'cpu');
  for (const geometry of ['euclidean', 'hyperbolic', 'chordal'] as const)
    t.is(evaluationOf({ ...config, geometry }, set).fusion, undefined, geometry);
  t.is(evaluationOf({ ...config, device: 'cuda' }, set).device, 'auto');
});
