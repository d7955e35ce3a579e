import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type EvaluationRow,
  type LabeledBatch,
  memory,
  type RunConfig,
  type RunSummary,
  readRun,
  type StepRow,
  type TorchMemory,
  train,
} from '../../../lib/train/index.ts';
import { trainedGeometries } from '../../../lib/train/options/define.ts';
import { drawImage, filesOf, side, tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(6);

type Options = Partial<RunConfig>;
const steps = (rows: StepRow[]) => ({ onStep: (row: StepRow) => void rows.push(row) });

/** Batches of `classes` classes with two generated images each. */
async function* batches(count: number, classes = 8): AsyncGenerator<LabeledBatch> {
  const length = side * side * 3;
  for (let step = 0; step < count; step++) {
    const labels = Int32Array.from({ length: 2 * classes }, (_, row) => row >> 1);
    const images = new Uint8Array(labels.length * length);
    for (const [row, label] of labels.entries())
      images.set(drawImage(label, 2 * step + (row & 1)), row * length);
    yield { images, count: labels.length, size: side, labels };
  }
}

/** Options of a run on custom batches. */
const onBatches: Options = { ...tinyRun, crop: 24, resize: 24, runs: null, eval_ep: '[]' };

test.serial('a run learns, is evaluated, and stores the results in its folder', async (t) => {
  const { root: path, runs } = t.context;
  const rows: StepRow[] = [];
  const evaluations: EvaluationRow[] = [];
  const result = await train(
    { ...tinyRun, path, runs, baselines: true },
    { ...steps(rows), onEvaluation: (row) => void evaluations.push(row) },
  );
  t.is(result.steps, 24);
  t.deepEqual(
    rows.map((row) => row.step),
    Array.from({ length: 24 }, (_, i) => i + 1),
  );
  t.true(
    mean(rows.slice(-8)) < 0.7 * mean(rows.slice(0, 4)),
    `${mean(rows.slice(0, 4))} to ${mean(rows.slice(-8))}`,
  );
  t.deepEqual(
    evaluations.map(({ epoch, pictures, classes }) => ({ epoch, pictures, classes })),
    [
      { epoch: 0, pictures: 96, classes: 16 },
      { epoch: 24, pictures: 96, classes: 16 },
    ],
  );
  const written = await readRun(result.folder!);
  const health = written.rows.filter((row) => row.type === 'health');
  t.deepEqual(
    health.map(({ epoch, radius }) => [epoch, radius.histogram.reduce((sum, count) => sum + count, 0)]),
    Array.from({ length: 24 }, (_, i) => [i + 1, 32]),
  );
  const others = written.rows.filter((row) => row.type !== 'health');
  t.deepEqual(others, [evaluations[0]!, ...rows, evaluations[1]!]);
  t.is(written.snapshot!.disk.labels.length, 96);
  t.is(written.snapshot!.gallery.length, 8);
  t.is(written.snapshot!.baselines.length, 2);
  const files = [
    'best.safetensors',
    'config.json',
    'last.safetensors',
    'metrics.jsonl',
    'model.safetensors',
    'report.html',
    'snapshot.json',
  ];
  t.deepEqual(await filesOf(result.folder!), files);
});

const mean = (rows: readonly StepRow[]): number => rows.reduce((sum, row) => sum + row.loss, 0) / rows.length;

for (const geometry of trainedGeometries) {
  test.serial(`${geometry} trains through the same loop`, async (t) => {
    const rows: StepRow[] = [];
    await train({ ...tinyRun, geometry, path: t.context.root, runs: null, eval_ep: '[]' }, steps(rows));
    t.true(mean(rows.slice(-8)) < 0.7 * mean(rows.slice(0, 4)));
  });
}

test.serial('equal seeds give bit-identical runs, and other seeds other runs', async (t) => {
  const losses = async (seed: number): Promise<number[]> => {
    const rows: StepRow[] = [];
    await train({ ...tinyRun, seed, path: t.context.root, runs: null, ep: 3, eval_ep: '[]' }, steps(rows));
    return rows.map((row) => row.loss);
  };
  const first = await losses(3);
  t.deepEqual(await losses(3), first);
  t.notDeepEqual(await losses(4), first);
});

test.serial('shuffled labels keep the class sizes and are harder to learn', async (t) => {
  const options: Options = { ...tinyRun, path: t.context.root, runs: null, eval_ep: '[]' };
  const late = async (shuffle_labels: boolean): Promise<number> => {
    const rows: StepRow[] = [];
    const { steps: taken } = await train({ ...options, shuffle_labels }, steps(rows));
    t.is(taken, 24); // every class still has the same number of images
    return mean(rows.slice(-8));
  };
  const [original, shuffled] = [await late(false), await late(true)];
  t.true(original < 0.8 * shuffled, `${original} and ${shuffled}`);
});

test.serial('stops early without a better evaluation, and resumes with a larger patience', async (t) => {
  const { root: path, runs } = t.context;
  const warnings: string[] = [];
  const summaries: RunSummary[] = [];
  const hooks = {
    onWarning: (text: string) => void warnings.push(text),
    onSummary: (summary: RunSummary) => void summaries.push(summary),
  };
  const options = { ...tinyRun, path, runs, name: 'stalled', lr: 1e-12, ep: 6, eval_ep: 'r(7)', patience: 2 };
  const first = await train(options, hooks);
  t.deepEqual([first.steps, first.interrupted, first.evaluations.length], [3, false, 4]);
  t.regex(warnings.join('\n'), /stopped early, because none of the last 2 evaluations improved on epoch 1 /);
  t.like(summaries[0], { epochSteps: 1, steps: 6, data: { train: { classes: 16 }, test: { classes: 16 } } });
  t.true(summaries[0]!.trainable > 0 && summaries[0]!.trainable <= summaries[0]!.parameters);
  const again = await train({}, { resume: first.folder });
  t.is(again.steps, 3);
  const resumed = await train({ patience: null }, { resume: first.folder });
  t.deepEqual([resumed.steps, resumed.evaluations.length], [6, 7]);
});

test.serial('an abort ends the run after the current step and leaves a complete folder', async (t) => {
  const controller = new AbortController();
  const { root: path, runs } = t.context;
  const result = await train(
    { ...tinyRun, path, runs, ep: 1000, eval_ep: '[1]' },
    { signal: controller.signal, onStep: ({ step }) => (step === 5 ? controller.abort() : undefined) },
  );
  t.true(result.interrupted);
  t.is(result.steps, 5);
  const run = await readRun(result.folder!);
  t.is(run.rows.filter((row) => row.type === 'step').length, 5);
  t.is(run.snapshot!.epoch, 1);
  t.true((await readdir(result.folder!)).includes('model.safetensors'));
});

test.serial('custom batches replace a data set', async (t) => {
  const rows: StepRow[] = [];
  const result = await train(onBatches, { data: batches(30), ...steps(rows) });
  t.is(result.steps, 30);
  t.is(result.evaluations.length, 0);
  t.true(mean(rows.slice(-5)) < mean(rows.slice(0, 5)));
});

test.serial('rejects batches of another size or with too few views, and leaves no folder', async (t) => {
  const { runs } = t.context;
  const before = await readdir(runs).catch(() => []);
  const options = { ...onBatches, runs };
  await t.throwsAsync(train({ ...options, crop: 16 }, { data: batches(1) }), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /16 x 16.*24 x 24/,
  });
  async function* uneven(): AsyncGenerator<LabeledBatch> {
    for await (const samples of batches(1)) {
      samples.labels[0] = 1;
      yield samples;
    }
  }
  await t.throwsAsync(train(options, { data: uneven() }), { code: 'ERR_HOROBALL_LABELS' });
  t.deepEqual(await readdir(runs).catch(() => []), before);
});

test.serial('the error of a run is thrown, not that of its batches when they are closed', async (t) => {
  async function* failing(): AsyncGenerator<LabeledBatch> {
    try {
      for await (const samples of batches(1)) yield { ...samples, count: 1 };
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: the test is about this error
      throw new RangeError('the camera is stuck');
    }
  }
  await t.throwsAsync(train(onBatches, { data: failing() }), { code: 'ERR_HOROBALL_SHAPE' });
});

test.serial('an aborted signal stops a run that waits for a batch', async (t) => {
  const controller = new AbortController();
  let returned = 0;
  const data = {
    [Symbol.asyncIterator]() {
      const first = batches(2);
      return {
        async next() {
          const item = await first.next();
          if (!item.done) return item;
          controller.abort();
          return await new Promise<never>(() => {});
        },
        return() {
          returned += 1;
          return new Promise<never>(() => {});
        },
      };
    },
  };
  const result = await train(onBatches, { data, signal: controller.signal });
  t.deepEqual([result.steps, result.interrupted, returned], [2, true, 1]);
});

test.serial(
  'an iterator of batches that returns other values than objects causes a coded error',
  async (t) => {
    for (const item of [null, 5, undefined, { done: false, value: 5 }])
      for (const next of [async () => item, () => item]) {
        const data = { [Symbol.asyncIterator]: () => ({ next }) } as never;
        await t.throwsAsync(train(onBatches, { data }), {
          code: 'ERR_HOROBALL_TYPE',
          message: /^\[train\] data/,
        });
      }
    const data = { [Symbol.asyncIterator]: () => null } as never;
    await t.throwsAsync(train(onBatches, { data }), { code: 'ERR_HOROBALL_TYPE' });
  },
);

test.serial('invalid hooks and signals are rejected before a run starts', async (t) => {
  const { root, runs } = t.context;
  const options = { ...tinyRun, path: root, runs, name: 'hooks' } as Options;
  for (const [name, value] of Object.entries({ onStep: 5, onBegin: 'x', signal: {}, onWarning: null })) {
    const error = await t.throwsAsync(train(options, { [name]: value } as never), { instanceOf: TypeError });
    t.regex(error.message, new RegExp(`^\\[train\\] ${name}: expected an? `));
    t.is((error as { code?: string }).code, 'ERR_HOROBALL_TYPE');
  }
  t.false((await readdir(runs)).includes('hooks'));
});

test.serial('a non-finite loss ends the run with a one-sentence error', async (t) => {
  const options = { ...onBatches, geometry: 'euclidean', t_e: 1e-310 } as const;
  await t.throwsAsync(train(options, { data: batches(3) }), {
    code: 'ERR_HOROBALL_DIVERGED',
    message:
      /step 1: the loss is not finite\. No weight has changed yet, so lr has no effect\. Use values of t_e/,
  });
});

test.serial('an error of the batch iterator reaches the caller', async (t) => {
  async function* broken(): AsyncGenerator<LabeledBatch> {
    yield* batches(1);
    throw new RangeError('the camera is off');
  }
  await t.throwsAsync(train(onBatches, { data: broken() }), {
    instanceOf: RangeError,
    message: 'the camera is off',
  });
});

test.serial('unlocks the folder of a run, however the run ends', async (t) => {
  const { root: path, runs } = t.context;
  const options = { ...tinyRun, path, runs, ep: 2, eval_ep: '[]' };
  const refused = { code: 'EISDIR' };
  const blocked = (name: string) => ({
    onStep: () => mkdirSync(join(runs, name, 'model.safetensors'), { recursive: true }),
  });
  await t.throwsAsync(train({ ...options, name: 'full' }, blocked('full')), refused);
  t.true((await filesOf(join(runs, 'full'))).includes('metrics.jsonl'));
  t.false((await filesOf(join(runs, 'full'))).includes('.training'));

  const onBegin = () => {
    throw new Error('not now');
  };
  await t.throwsAsync(train({ ...options, name: 'none' }, { onBegin }), { message: 'not now' });
  t.false((await readdir(runs)).includes('none'));
});

test.serial('an abort while the embeddings are written also ends the run', async (t) => {
  const { root: path, runs } = t.context;
  const controller = new AbortController();
  const { signal } = controller;
  let trained = false;
  signal.throwIfAborted = () => {
    if (trained) controller.abort();
    AbortSignal.prototype.throwIfAborted.call(signal);
  };
  const options = { ...tinyRun, path, runs, ep: 2, eval_ep: '[]', save_emb: true };
  const { folder, interrupted } = await train(options, {
    signal,
    onStep: ({ step }) => {
      trained = step === 2;
    },
  });
  t.true(interrupted);
  const files = await filesOf(folder!);
  t.true(files.includes('report.html'));
  t.false(files.includes('.training'));
});

test.serial('the number of handles and their memory are the same after 20 and after 500 steps', async (t) => {
  const seen: TorchMemory[] = [];
  await train(onBatches, {
    data: batches(500, 4),
    onStep: async ({ step }) => {
      if (step === 20 || step === 500) seen.push(await settledMemory());
    },
  });
  t.is(seen.length, 2);
  t.deepEqual(seen[1], seen[0]);
  t.is(memory().handles, 0, 'no handle remains after the run');
});

/** Waits until the training thread has freed the tensors of the last step, and returns the memory held by handles. */
async function settledMemory(): Promise<TorchMemory> {
  let last = memory();
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = memory();
    same = now.bytes === last.bytes && now.handles === last.handles ? same + 1 : 0;
    last = now;
  }
  return last;
}

test.serial('a run waits for its hooks, and an error in one ends it', async (t) => {
  const { root: path, runs } = t.context;
  const options = { ...tinyRun, path, runs, ep: 2, eval_ep: '[2]' };
  const calls: string[] = [];
  const note = (name: string) => async (): Promise<void> => {
    calls.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    calls.push(name);
  };
  const names = [
    'onStore',
    'onBegin',
    'onStep',
    'onEvaluation',
    'onSnapshot',
    'onCheckpoint',
    'onEnd',
  ] as const;
  await train(options, Object.fromEntries(names.map((name) => [name, note(name)])));
  const order = ['onStore', 'onBegin', 'onStep', 'onStep', 'onSnapshot', 'onEvaluation', 'onCheckpoint'];
  t.deepEqual(
    calls,
    [...order, 'onCheckpoint', 'onEnd'].flatMap((name) => [`${name} begins`, name]),
  );
  const ends: string[] = [];
  const failing = train(options, {
    onStep: async () => {
      throw new Error('no step');
    },
    onEnd: (end) => void ends.push(end),
  });
  await t.throwsAsync(failing, { message: 'no step' });
  t.deepEqual(ends, ['failed']);
});

test.serial('any value thrown by a hook reaches the caller, and the run keeps its files', async (t) => {
  const { root: path, runs } = t.context;
  const values = [undefined, null, 5, Symbol('any'), Object.create(null) as unknown];
  for (const [i, value] of values.entries()) {
    const ends: string[] = [];
    const controller = new AbortController();
    const hooks = {
      signal: controller.signal,
      onStep: ({ step }: StepRow) => {
        if (i % 2 === 1) controller.abort();
        if (step === 2) throw value;
        if (i % 2 === 1) throw value;
      },
      onEnd: (end: string) => void ends.push(end),
    };
    const name = `thrown-${i}`;
    const failing = train({ ...tinyRun, path, runs, name, ep: 3, eval_ep: '[]' }, hooks);
    t.is(
      await failing.then(
        () => 'no error',
        (error: unknown) => error,
      ),
      value,
      name,
    );
    t.deepEqual(ends, ['failed']);
    t.true((await filesOf(join(runs, name))).includes('model.safetensors'), name);
  }
});

test.serial('a run whose report cannot be written succeeds, and says how to make it', async (t) => {
  const { root: path, runs } = t.context;
  const blocked = async (name: string, file: string) => {
    const warnings: string[] = [];
    const result = await train(
      { ...tinyRun, path, runs, name, ep: 2, eval_ep: '[2]' },
      {
        onWarning: (text) => void warnings.push(text),
        onStep: () => mkdirSync(join(runs, name, file, 'in the way'), { recursive: true }),
      },
    );
    return { result, drawn: warnings.filter((text) => /could not be (generated|stored)/.test(text)) };
  };
  const page = await blocked('no-page', 'report.html');
  t.is(page.result.report, null);
  t.is(page.drawn.length, 1);
  t.true(page.drawn[0]!.endsWith(`npx horoball report ${join(runs, 'no-page')}`), page.drawn[0]);
  const snapshot = await blocked('no-snapshot', 'snapshot.json');
  t.is(snapshot.result.evaluations.length, 1);
  t.is(snapshot.drawn.length, 2); // one for the snapshot, and one for the report, which cannot read it
  for (const name of ['no-page', 'no-snapshot']) {
    const files = await filesOf(join(runs, name));
    for (const file of ['last.safetensors', 'model.safetensors', 'metrics.jsonl'])
      t.true(files.includes(file), file);
  }
  const whole = await train({ ...tinyRun, path, runs, name: 'drawn', ep: 2, eval_ep: '[2]' });
  t.is(whole.report, join(whole.folder!, 'report.html'));
});
