import test from 'ava';
import { ClassTree } from '../../../lib/train/data/class-tree.ts';
import { CachedEmbeddings } from '../../../lib/train/lane/cached.ts';
import { ProcessGroup } from '../../../lib/train/lane/group.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import { Checkpoint } from '../../../lib/train/run/checkpoint.ts';
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
  t.deepEqual(flat(await learner.embedder.state()), own);
  const read = () => learner.averaged(async () => flat(await learner.embedder.state()));
  t.deepEqual(await Promise.all([read(), read(), learner.averaged(read)]), [average, average, average]);
  t.deepEqual(flat(await learner.embedder.state()), own);
  const position = { step: 2, seconds: 0, metricsBytes: 0, best: null, baselines: [], complete: false };
  await learner.averaged(async () => {
    const busy = { code: 'ERR_HOROBALL_TYPE', message: /no call of averaged\(\) in progress/ };
    t.throws(() => learner.update(1e-3, 3), busy);
    await t.throwsAsync(Checkpoint.capture(learner, tinyConfig({ ema: 0.9 }), position), busy);
  });
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

test.serial(
  'a memory adds rows of earlier classes, and a factor that keeps the scale of the gradients',
  async (t) => {
    using learner = await Learner.create(tinyConfig({ memory: 4 }));
    const samples = tinySamples(1);
    const compared = async (): Promise<[number, number]> => {
      using embeddings = await learner.embed(samples);
      using rows = learner.compared(embeddings, samples.labels);
      t.is(rows.euclidean === embeddings.euclidean, rows.factor === 1, 'an empty memory copies nothing');
      return [rows.labels.length, rows.factor];
    };
    t.deepEqual(await compared(), [8, 1]);
    await takeStep(learner, 1, tinySamples(2, 10));
    t.deepEqual(await compared(), [16, 2]);
  },
);

test.serial('the error for a non-finite loss names the step, and other errors are unchanged', async (t) => {
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

/** A group that claims to have two ranks. */
const two = Object.create(ProcessGroup.prototype, { size: { value: 2 } }) as ProcessGroup;

test.serial(
  'rejects a memory with compat hypmix on several ranks, and proxies without labels, and leaves no handle',
  async (t) => {
    const { handles } = memory();
    const config = tinyConfig({ compat: 'hypmix', memory: 4 });
    const { message } = await t.throwsAsync(
      Learner.create(config, () => {}, two),
      { code: 'ERR_HOROBALL_CONFIG', instanceOf: RangeError },
    );
    t.regex(message, /memory: expected 0 with compat hypmix and 2 processes, got 4/);
    await t.throwsAsync(Learner.create(tinyConfig({ loss: 'proxy-anchor' })), {
      code: 'ERR_HOROBALL_CONFIG',
    });
    t.is(memory().handles, handles);
  },
);

test.serial(
  'float16: gradients are unscaled before clipping, but compat hypmix clips scaled ones',
  async (t) => {
    const norm = async (options: Partial<RunConfig>): Promise<number> => {
      using learner = await Learner.create(tinyConfig({ clip_grad: 1e-12, ...options }));
      return (await takeStep(learner, 1, tinySamples())).gradNorm!;
    };
    const plain = await norm({});
    const half = { precision: 'float16', loss_scale: 256 } as const;
    t.true(Math.abs((await norm(half)) / plain - 1) < 0.05);
    t.true((await norm({ ...half, compat: 'hypmix' })) < 1e-12, 'after clipping, which is below 256 times');
  },
);

test.serial('float16: the gradients of learnable scalars are not scaled', async (t) => {
  const moments = async (options: Partial<RunConfig>) => {
    const learn = { learn: 't_e,hyp_c', geometry: 'hybrid', head: 'hyp-vit', ...options } as const;
    using learner = await Learner.create(tinyConfig(learn));
    await takeStep(learner, 1, tinySamples());
    const { t_e, hyp_c } = learner.learnables.state().places;
    return [t_e!.first, hyp_c!.first] as const;
  };
  const plain = await moments({});
  const half = await moments({ precision: 'float16', loss_scale: 256 });
  for (const i of [0, 1] as const) t.true(Math.abs(half[i] / plain[i] - 1) < 0.1, `${half} ${plain}`);
});

test.serial(
  'float16: a step that overflows changes no learnable scalar, and has no gradient norm',
  async (t) => {
    const options = { precision: 'float16', loss_scale: 2 ** 60, learn: 't_e', geometry: 'hybrid' } as const;
    using learner = await Learner.create(tinyConfig(options));
    const { gradNorm, scaler } = await takeStep(learner, 1);
    t.is(scaler!.overflowed, true);
    t.is(gradNorm, null);
    t.is(learner.learnables.state().steps, 0);
  },
);

test.serial('the learning rate of learnable scalars follows that of the network', async (t) => {
  const moved = async (lr: number): Promise<number> => {
    const options = { learn: 't_e', learn_lr: 1e-2, lr: 1e-3, geometry: 'hybrid' } as const;
    using learner = await Learner.create(tinyConfig(options));
    await takeStep(learner, 1, tinySamples(), lr);
    return Math.abs(Math.log(learner.scalars().tauE / 0.1));
  };
  const { firstStepOfScalar } = networkError; // Adam's first step has the size of the learning rate
  t.true(Math.abs((await moved(1e-3)) / 1e-2 - 1) < firstStepOfScalar);
  t.true(Math.abs((await moved(1e-4)) / 1e-3 - 1) < firstStepOfScalar);
});

test.serial('a gradient of a learnable scalar that is not finite ends the run as diverged', async (t) => {
  using learner = await Learner.create(tinyConfig({ learn: 't_e', geometry: 'hybrid', t_e: 0.01 }));
  const samples = tinySamples();
  using embeddings = await learner.embed(samples);
  using objective = learner.loss.apply(embeddings, samples.labels, learner.scalars());
  await learner.backward(objective, embeddings, 1);
  learner.update(1e-3, 1);
  const options = { lr: 1e-3, factor: 1e308, wantPoints: false };
  const { message } = await t.throwsAsync(learner.finish(objective, embeddings, samples.labels, options), {
    code: 'ERR_HOROBALL_DIVERGED',
  });
  t.regex(message, /gradient of t_e, t_h or hyp_c is not finite/);
});

test.serial('a stop after the chunks of a batch frees its embeddings', async (t) => {
  using learner = await Learner.create(tinyConfig({ chunk: 3 }));
  const { handles } = memory();
  const stop = { between: async () => {}, after: () => Promise.reject(new Error('stopped')) };
  await t.throwsAsync(learner.embed(tinySamples(), null, stop), { message: 'stopped' });
  t.is(memory().handles, handles);
});

test.serial('the search for a non-finite value accepts a batch of several chunks', async (t) => {
  using learner = await Learner.create(tinyConfig({ chunk: 3 }));
  t.is(await learner.firstNotFinite(tinySamples()), null);
});

test.serial('rejects an empty part of a batch, and one outside the batch', async (t) => {
  using learner = await Learner.create(tinyConfig());
  const samples = tinySamples();
  for (const [first, end] of [
    [8, undefined],
    [-1, undefined],
    [3, 3],
    [3, 9],
  ] as const)
    t.throws(
      () => learner.batch(samples, first, end),
      { code: 'ERR_HOROBALL_RANGE', message: /^\[learner\.batch\] (first|end): / },
      `${first} ${end}`,
    );
  using last = learner.batch(samples, 7);
  t.is(last.count, 1);
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
