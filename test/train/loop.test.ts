import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import {
  type EvaluationRow,
  memory,
  type Pictures,
  type RunConfig,
  readRun,
  type StepRow,
  setThreads,
  type TorchMemory,
  train,
} from '../../lib/train/index.ts';
import { classNames, drawPicture, filesOf, side, temporary, tinyRun, writePictures } from './tiny-data.ts';

const test = ava as TestFn<{ root: string; runs: string; remove(): Promise<void> }>;

test.before(async (t) => {
  setThreads(1);
  const { path, remove } = await temporary();
  t.context = { root: join(path, 'pictures'), runs: join(path, 'runs'), remove };
  await writePictures(t.context.root, classNames(32), 6);
});
test.after.always(async (t) => {
  await t.context.remove();
});

type Options = Partial<RunConfig>;
const steps = (rows: StepRow[]) => ({ onStep: (row: StepRow) => void rows.push(row) });

/** Batches of `classes` classes with two pictures each, made here. */
async function* batches(count: number, classes = 8): AsyncGenerator<Pictures> {
  const length = side * side * 3;
  for (let step = 0; step < count; step++) {
    const labels = Int32Array.from({ length: 2 * classes }, (_, row) => row >> 1);
    const images = new Uint8Array(labels.length * length);
    for (const [row, label] of labels.entries())
      images.set(drawPicture(label, 2 * step + (row & 1)), row * length);
    yield { images, count: labels.length, size: side, labels };
  }
}

/** A run on such batches. */
const onBatches: Options = { ...tinyRun, crop: 24, resize: 24, runs: null, eval_ep: '[]' };

test.serial('a run learns, is evaluated, and leaves a folder that says so', async (t) => {
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

for (const geometry of ['hybrid', 'euclidean', 'hyperbolic', 'chordal'] as const) {
  test.serial(`${geometry} trains through the same loop`, async (t) => {
    const rows: StepRow[] = [];
    await train({ ...tinyRun, geometry, path: t.context.root, runs: null, eval_ep: '[]' }, steps(rows));
    t.true(mean(rows.slice(-8)) < 0.7 * mean(rows.slice(0, 4)));
  });
}

test.serial('a seed names a run to the bit; another seed another run', async (t) => {
  const losses = async (seed: number): Promise<number[]> => {
    const rows: StepRow[] = [];
    await train({ ...tinyRun, seed, path: t.context.root, runs: null, ep: 3, eval_ep: '[]' }, steps(rows));
    return rows.map((row) => row.loss);
  };
  const first = await losses(3);
  t.deepEqual(await losses(3), first);
  t.notDeepEqual(await losses(4), first);
});

test.serial('shuffled labels are as many of each class, and harder to learn', async (t) => {
  const options: Options = { ...tinyRun, path: t.context.root, runs: null, eval_ep: '[]' };
  const late = async (shuffle_labels: boolean): Promise<number> => {
    const rows: StepRow[] = [];
    const { steps: taken } = await train({ ...options, shuffle_labels }, steps(rows));
    t.is(taken, 24); // every class still has its pictures
    return mean(rows.slice(-8));
  };
  const [told, shuffled] = [await late(false), await late(true)];
  t.true(told < 0.8 * shuffled, `${told} and ${shuffled}`);
});

test.serial('an abort ends the run after its step and leaves a whole folder', async (t) => {
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

test.serial('batches of the caller stand in for a data set', async (t) => {
  const rows: StepRow[] = [];
  const result = await train(onBatches, { data: batches(30), ...steps(rows) });
  t.is(result.steps, 30);
  t.is(result.evaluations.length, 0);
  t.true(mean(rows.slice(-5)) < mean(rows.slice(0, 5)));
});

test.serial('batches of another size or with too few views are refused, and no folder is left', async (t) => {
  const { runs } = t.context;
  const before = await readdir(runs).catch(() => []);
  const options = { ...onBatches, runs };
  await t.throwsAsync(train({ ...options, crop: 16 }, { data: batches(1) }), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /16 x 16.*24 x 24/,
  });
  async function* uneven(): AsyncGenerator<Pictures> {
    for await (const pictures of batches(1)) {
      pictures.labels[0] = 1;
      yield pictures;
    }
  }
  await t.throwsAsync(train(options, { data: uneven() }), { code: 'ERR_HOROBALL_LABELS' });
  t.deepEqual(await readdir(runs).catch(() => []), before);
});

test.serial('hooks that cannot be called or end nothing are refused before a run begins', async (t) => {
  const { root, runs } = t.context;
  const options = { ...tinyRun, path: root, runs, name: 'hooks' } as Options;
  for (const [name, value] of Object.entries({ onStep: 5, onBegin: 'x', signal: {}, onWarning: null })) {
    const error = await t.throwsAsync(train(options, { [name]: value } as never), { instanceOf: TypeError });
    t.regex(error.message, new RegExp(`^\\[train\\] ${name}: expected an? `));
    t.is((error as { code?: string }).code, 'ERR_HOROBALL_TYPE');
  }
  t.false((await readdir(runs)).includes('hooks'));
});

test.serial('a loss that is no number ends the run in a sentence', async (t) => {
  const options = { ...onBatches, geometry: 'euclidean', t_e: 1e-310 } as const;
  await t.throwsAsync(train(options, { data: batches(3) }), {
    code: 'ERR_HOROBALL_DIVERGED',
    message: /step 1: the loss is not finite; the first value that is not is in the loss; a lower lr/,
  });
});

test.serial('an error of the batches reaches the caller', async (t) => {
  async function* broken(): AsyncGenerator<Pictures> {
    yield* batches(1);
    throw new RangeError('the camera is off');
  }
  await t.throwsAsync(train(onBatches, { data: broken() }), {
    instanceOf: RangeError,
    message: 'the camera is off',
  });
});

test.serial('whatever ends a run, its folder is free again', async (t) => {
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

test.serial('an abort while the embeddings are written ends the run too', async (t) => {
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

test.serial('handles and what they hold are the same after 20 steps and after 500', async (t) => {
  const seen: TorchMemory[] = [];
  await train(onBatches, {
    data: batches(500, 4),
    onStep: () => void seen.push(memory()),
  });
  t.is(seen.length, 500);
  t.deepEqual(seen[499], seen[20]);
  t.is(memory().handles, 0, 'and none is left when the run is over');
});
