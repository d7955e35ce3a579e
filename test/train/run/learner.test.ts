import test from 'ava';
import { ClassTree } from '../../../lib/train/data/class-tree.ts';
import { CachedEmbeddings } from '../../../lib/train/lane/cached.ts';
import { ProcessGroup } from '../../../lib/train/lane/group.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { networkError } from '../../tolerances.ts';
import { flat, randomImages, relativeError } from '../helpers.ts';
import { takeStep, tinyConfig, tinySamples } from './tiny-learner.ts';

test.before(() => setThreads(1));

test.serial('steps lower the loss of a batch, and report values and points', async (t) => {
  using learner = await Learner.create(tinyConfig());
  const samples = tinySamples();
  const losses: number[] = [];
  for (let step = 1; step <= 15; step++) {
    const { loss, gradNorm, scaler, points } = await takeStep(learner, step, samples, 3e-3);
    losses.push(loss.loss);
    t.true(gradNorm! > 0);
    t.is(scaler, null);
    t.is(points!.length, 8 * 6);
  }
  t.true(losses.at(-1)! < 0.8 * losses[0]!, `${losses}`);
});

// Gradients are compared instead of weights after a step, because AdamW normalizes gradients that are only rounding errors.
test.serial(
  'chunks give the gradients of the whole batch, also if the caller chooses their size',
  async (t) => {
    const gradients = async (chunk: number | null, ofCaller: number | null = null): Promise<number[]> => {
      using learner = await Learner.create(tinyConfig({ chunk }));
      const samples = tinySamples();
      using embeddings =
        ofCaller === null
          ? await learner.embed(samples)
          : new CachedEmbeddings(learner.embedder, samples, ofCaller);
      using whole = learner.gather(embeddings, samples);
      using rows = learner.compared(whole, whole.labels);
      using objective = learner.loss.apply(rows, rows.labels, learner.scalars());
      await learner.backward(objective, embeddings, rows.factor);
      return flat(await learner.embedder.gradients());
    };
    const whole = await gradients(null);
    for (const chunk of [3, 8, 100]) {
      const error = relativeError(await gradients(chunk), whole);
      t.true(error < networkError.orderOfGradients, `${chunk}: ${error}`);
    }
    const error = relativeError(await gradients(null, 3), whole);
    t.true(error < networkError.orderOfGradients, `of a caller: ${error}`);
  },
);

test.serial(
  'the losses of a class tree have the gradients of the whole batch in chunks as well',
  async (t) => {
    const tree = ClassTree.of({ parents: [['a'], ['a'], ['b'], ['b']] });
    const options = { head: 'hyp-vit', geometry: 'hybrid', tree: 'levels+cones+radius' } as const;
    const gradients = async (chunk: number | null, reduction: 'sum' | 'mean' = 'sum'): Promise<number[]> => {
      const config = tinyConfig({ ...options, chunk, reduction, num_samples: 4, bs: 8 });
      using learner = await Learner.create(config, () => {}, null, null, tree);
      const samples = { ...tinySamples(), labels: Int32Array.of(0, 0, 0, 0, 2, 2, 2, 2) };
      using embeddings = await learner.embed(samples);
      using objective = learner.loss.apply(embeddings, samples.labels, learner.scalars());
      using terms = learner.addTree(objective, embeddings, samples.labels);
      await learner.backward(objective, embeddings, 1);
      t.deepEqual(Object.keys(await terms!.read()), ['levels', 'cones', 'radius']);
      return flat(await learner.embedder.gradients());
    };
    const whole = await gradients(null);
    const error = relativeError(await gradients(3), whole);
    t.true(error < networkError.orderOfGradients, `${error}`);
    const perPair = (await gradients(null, 'mean')).map((x) => 12 * x);
    t.true(relativeError(perPair, whole) < networkError.orderOfGradients, 'weights are relative to the mean');
  },
);

test.serial('rejects tree losses without a class tree or on several ranks', async (t) => {
  const refused = { code: 'ERR_HOROBALL_CONFIG', instanceOf: RangeError };
  const config = tinyConfig({ tree: 'levels' });
  await t.throwsAsync(Learner.create(config), {
    ...refused,
    message: /a data set with a class tree, got folder/,
  });
  const two = Object.create(ProcessGroup.prototype, { size: { value: 2 } }) as ProcessGroup;
  const tree = ClassTree.of({ parents: [['a'], ['a']] });
  await t.throwsAsync(
    Learner.create(config, () => {}, two, null, tree),
    { ...refused, message: /tree: expected a single process, got 2/ },
  );
});

test.serial('gradients are clipped to the norm that the run allows', async (t) => {
  using free = await Learner.create(tinyConfig({ clip_grad: null }));
  using clipped = await Learner.create(tinyConfig({ clip_grad: 1e-12 }));
  const { gradNorm } = await takeStep(free, 1);
  t.is((await takeStep(clipped, 1)).gradNorm, gradNorm, 'the norm before clipping');
  t.notDeepEqual(flat(await free.embedder.state()), flat(await clipped.embedder.state()));
});

test.serial('uses averaged weights only during the callback, even if it throws', async (t) => {
  using learner = await Learner.create(tinyConfig({ ema: 0.9 }));
  for (const step of [1, 2]) await takeStep(learner, step);
  const own = flat(await learner.embedder.state());
  const average = await learner.averaged(async () => flat(await learner.embedder.state()));
  t.notDeepEqual(average, own);
  await t.throwsAsync(
    learner.averaged(() => Promise.reject(new Error('full'))),
    { message: 'full' },
  );
  t.deepEqual(flat(await learner.embedder.state()), own);
  using plain = await Learner.create(tinyConfig());
  const unchanged = flat(await plain.embedder.state());
  t.deepEqual(await plain.averaged(async () => flat(await plain.embedder.state())), unchanged);
});

test.serial('learnable scalars follow their gradients and appear in the next step', async (t) => {
  using learner = await Learner.create(tinyConfig({ learn: 't_e,hyp_c', geometry: 'hybrid' }));
  const before = learner.scalars();
  t.deepEqual([before.tauE, before.tauH, before.c, before.gradParams], [0.1, 0.2, 0.1, true]);
  await takeStep(learner, 1);
  const after = learner.scalars();
  t.not(after.tauE, before.tauE);
  t.not(after.c, before.c);
  t.is(after.tauH, before.tauH);
  t.is(learner.embedder.c, after.c, 'the head has the curvature of the loss');
});

test.serial('a memory adds rows of earlier classes, and a factor that compensates in the mean', async (t) => {
  using learner = await Learner.create(tinyConfig({ memory: 4 }));
  const samples = tinySamples(1);
  const compared = async (): Promise<[number, number]> => {
    using embeddings = await learner.embed(samples);
    using rows = learner.compared(embeddings, samples.labels);
    return [rows.labels.length, rows.factor];
  };
  t.deepEqual(await compared(), [8, 1]);
  await takeStep(learner, 1, tinySamples(2, 10));
  t.deepEqual(await compared(), [16, 2]);
});

test.serial('the error for a non-finite loss names the step and the first non-finite value', async (t) => {
  using learner = await Learner.create(tinyConfig({ geometry: 'euclidean', t_e: 1e-310 }));
  const samples = tinySamples();
  const error = await t.throwsAsync(takeStep(learner, 1, samples), { code: 'ERR_HOROBALL_DIVERGED' });
  t.is(await learner.firstNotFinite(samples), null, 'the network itself is finite');
  const explained = (await learner.explain(error, 7, samples)) as Error & { code?: string };
  t.is(explained.code, 'ERR_HOROBALL_DIVERGED');
  t.regex(explained.message, /^\[train\] step 7: the loss is not finite\. Use a lower lr/);
  const other = new Error('the disk is full');
  t.is(await learner.explain(other, 7, samples), other);
});

test.serial('compat hypmix in float16 notes how it clips', async (t) => {
  const notes: string[] = [];
  const options = { precision: 'float16', compat: 'hypmix', clip_grad: 3 } as const;
  using _ = await Learner.create(tinyConfig(options), (text) => void notes.push(text));
  t.regex(notes.join('\n'), /clips the scaled gradients at 3/);
});

test.serial('a disposed learner leaves no handle', async (t) => {
  const { handles } = memory();
  {
    using learner = await Learner.create(tinyConfig({ ema: 0.9, memory: 4 }));
    await takeStep(learner, 1);
    const half = { images: randomImages(8), count: 8, size: 16, labels: tinySamples().labels };
    using batch = learner.batch(half, 4, 8);
    t.is(batch.count, 4);
  }
  t.is(memory().handles, handles);
});
