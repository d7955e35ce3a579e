import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import {
  Checkpoint,
  Embedder,
  type LabeledBatch,
  loadWeights,
  memory,
  type Row,
  type RunConfig,
  readRun,
  type StepRow,
  type TrainHooks,
  type TrainResult,
  train,
} from '../../../lib/train/index.ts';
import { drawImage, filesOf, side, tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(4);

type Options = Partial<RunConfig>;
const short: Options = { ...tinyRun, ep: 8, eval_ep: '[0]+[3]+[8]' };
const everything: Options = {
  ema: 0.8,
  learn: 't_e,hyp_c',
  head: 'hyp-vit',
  geometry: 'hybrid',
  chunk: 9,
  schedule: 'cosine',
};

/** Returns hooks that stop a run after this step, as Ctrl-C does. */
function stopAfter(step: number): TrainHooks {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onStep: (row) => (row.step === step ? controller.abort() : undefined),
  };
}

async function weightsOf({ folder }: TrainResult, name = 'model'): Promise<Map<string, unknown>> {
  const { tensors } = await readSafetensors(join(folder!, `${name}.safetensors`));
  // Other tests change the state of the process's random generator, so only kill.ts compares it.
  tensors.delete('random/cpu');
  return tensors;
}

/** Rows without fields that depend on time. */
async function rowsOf({ folder }: TrainResult): Promise<object[]> {
  const timeless = (row: Row): object => {
    const { seconds: _, imagesPerSecond: __, waitMs: ___, ...rest } = row as StepRow;
    return rest;
  };
  return (await readRun(folder!)).rows.map(timeless);
}

/** Writes a list of the images with a class tree: families of four classes in genera of two. */
async function writeTreeList(root: string, list: string): Promise<void> {
  const classes = (await readdir(root)).sort();
  const rows = classes.map(async (label, i) => {
    const images = await readdir(join(root, label));
    return images.map((image) => `images/${label}/${image},${label},f${i >> 2}/g${i >> 1}`);
  });
  await writeFile(list, ['path,label,tree', ...(await Promise.all(rows)).flat()].join('\n'));
}

async function same(t: ExecutionContext, one: TrainResult, other: TrainResult): Promise<void> {
  for (const name of ['model', 'last', 'best'])
    t.deepEqual(await weightsOf(one, name), await weightsOf(other, name), name);
  t.deepEqual(await rowsOf(one), await rowsOf(other));
  t.deepEqual(
    one.evaluations.map(({ spaces }) => spaces),
    other.evaluations.map(({ spaces }) => spaces),
  );
}

for (const [name, options] of Object.entries({
  'a plain run': {},
  'a run with every option that has a state': everything,
  'a run with proxies in the ball': {
    ...{
      loss: 'proxy-anchor',
      head: 'hyp-vit',
      geometry: 'hybrid',
      base: -0.5,
      ema: 0.8,
      learn: 't_h,hyp_c',
    },
    ...{ chunk: 9, schedule: 'cosine' },
  },
  'a run with tied proxies': { loss: 'proxy-nca', proxy_lr: 0.02 },
  'a run with a class tree': {
    tree: 'levels+cones+radius',
    head: 'hyp-vit',
    ds: 'csv',
    chunk: 9,
  },
  'a run with a memory': { memory: 5, bs: 16, ep: 4, eval_ep: '[2]+[4]', learn: 't_h' },
} satisfies Record<string, Options>)) {
  test.serial(`${name} that was stopped resumes to the same weights and log, bit for bit`, async (t) => {
    const { root: path, runs } = t.context;
    const list = join(path, '..', 'list.csv');
    if (options.ds === 'csv') await writeTreeList(path, list);
    const all = { ...short, ...options, path: options.ds === 'csv' ? list : path, runs };
    const whole = await train(all);
    const stopped = await train(all, stopAfter(3)); // an evaluation is due after it
    t.true(stopped.interrupted);
    const rows: StepRow[] = [];
    const resumes: [string, number][] = [];
    const resumed = await train(
      {},
      {
        resume: stopped.folder!,
        onStep: (row) => void rows.push(row),
        onResume: (...said) => resumes.push(said),
      },
    );
    t.deepEqual(resumes, [[stopped.folder!, 3]]);
    t.is(rows[0]!.step, 4);
    t.is(resumed.folder, stopped.folder);
    await same(t, resumed, whole);
    t.is(memory().handles, 0);
  });
}

test.serial('discards rows logged after the checkpoint, and a partially written file', async (t) => {
  const { root: path, runs } = t.context;
  const all = { ...short, path, runs };
  const whole = await train(all);
  const stopped = await train(all, stopAfter(5));
  const file = (name: string): string => join(stopped.folder!, name);
  await writeFile(file('metrics.jsonl'), '{"type":"step","step":6}\n{"type":"st', { flag: 'a' });
  const half = (name: string): string => `.${name}.0d5a2b1c-93f4-4e0e-8a70-5b6c7d8e9f00.tmp`;
  const theirs = half('report.html'); // `horoball report` may be writing it
  for (const name of [half('last.safetensors'), '.best.safetensors.tmp', theirs])
    await writeFile(file(name), 'half');
  await same(t, await train({}, { resume: stopped.folder! }), whole);
  const left = (await readdir(stopped.folder!)).filter((name) => name.endsWith('.tmp'));
  t.deepEqual(left, [theirs]);
});

test.serial(
  'a line of the log that is not a row is skipped with a warning, and the run resumes',
  async (t) => {
    const { root: path, runs } = t.context;
    const stopped = await train({ ...short, path, runs }, stopAfter(5));
    const log = join(stopped.folder!, 'metrics.jsonl');
    const [first, second, ...rest] = (await readFile(log, 'utf8')).split('\n') as [
      string,
      string,
      ...string[],
    ];
    const other = second.replace('"step":', '"stop":');
    await writeFile(log, ['null'.padEnd(first.length), other, ...rest].join('\n')); // the same number of bytes
    const warnings: string[] = [];
    const resumed = await train(
      {},
      { resume: stopped.folder!, onWarning: (text) => void warnings.push(text) },
    );
    t.is(resumed.steps, 8);
    t.is(
      warnings.filter((text) =>
        /^2 lines of metrics\.jsonl are invalid and were skipped \(line 1: /.test(text),
      ).length,
      1,
    );
    t.is(resumed.report, join(stopped.folder!, 'report.html'));
    t.regex(await readFile(resumed.report!, 'utf8'), /2 lines of metrics\.jsonl are invalid/);
  },
);

test.serial('a moved run folder resumes in its new location', async (t) => {
  const { root: path, runs } = t.context;
  const stopped = await train({ ...short, path, runs }, stopAfter(2));
  const moved = join(runs, 'moved');
  await rename(stopped.folder!, moved);
  const resumed = await train({}, { resume: moved });
  t.is(resumed.folder, moved);
  t.is(resumed.steps, 8);
  t.is((await readRun(moved)).name, 'moved');
});

test.serial('keeps the checkpoint of the best evaluation, which is also a weights file', async (t) => {
  const { root: path, runs } = t.context;
  const { evaluations, folder } = await train({ ...short, ...everything, path, runs, eval_ep: 'r(0,9,1)' });
  const scores = evaluations.slice(1).map((row) => row.spaces.hyperbolic.at['1']!);
  const { position, config } = await Checkpoint.read(join(folder!, 'best.safetensors'));
  const first = scores.indexOf(Math.max(...scores)) + 1;
  t.deepEqual(position.best, { step: first, epoch: first, recall: Math.max(...scores) });
  t.is(position.step, first);
  t.is(config.head, 'hyp-vit');
  const last = await Checkpoint.read(folder!);
  t.is(last.position.step, 8);
  t.true(last.position.complete);
  t.deepEqual(await Checkpoint.position(folder!), last.position);

  const options = { model: 'vit_nano', head: 'hyp-vit', dim: 16, clipR: 2.3, c: 0.1, seed: 9 } as const;
  const model = { imgSize: 16, patchSize: 8, embedDim: 128, depth: 4, numHeads: 4 };
  using embedder = await Embedder.create({
    ...options,
    model: { ...model, mean: [0, 0, 0], std: [1, 1, 1] },
  });
  const report = await loadWeights(join(folder!, 'last.safetensors'), embedder);
  t.deepEqual([report.missing, report.unexpected], [[], []]);
  const { tensors } = await readSafetensors(join(folder!, 'model.safetensors'));
  t.deepEqual((await embedder.state()).get('head.weight')!.data, tensors.get('head.weight')!.data);
});

test.serial('auto resumes the run with the same options, then starts a new one', async (t) => {
  const { root: path } = t.context;
  const runs = join(t.context.runs, 'auto');
  const all: Options = { ...short, path, runs, lr: 2e-3 };
  const auto: TrainHooks = { resume: 'auto' };
  const first = await train(all, { ...auto, ...stopAfter(2) });
  const other = await train({ ...all, lr: 1e-3 }, { ...auto, ...stopAfter(1) });
  t.not(other.folder, first.folder, 'other options are another run');
  const second = await train({ ...all, workers: 1 }, auto);
  t.is(second.folder, first.folder, 'options that do not affect results may differ');
  t.is(second.steps, 8);
  const third = await train(all, { ...auto, ...stopAfter(1) });
  t.not(third.folder, first.folder, 'the first run is complete');
  const named = await train({ ...all, name: 'mine' }, { ...auto, ...stopAfter(1) });
  t.is((await train({ ...all, name: 'mine' }, auto)).folder, named.folder);
  t.is((await train({ ...all, name: 'mine' }, auto)).steps, 8, 'a complete run takes no further step');

  const busy = JSON.stringify({ pid: process.ppid, host: hostname() });
  await writeFile(join(third.folder!, '.training'), busy);
  const warnings: string[] = [];
  const fourth = await train(all, { ...auto, ...stopAfter(1), onWarning: (text) => warnings.push(text) });
  t.not(fourth.folder, third.folder, 'another process trains there');
  t.true(
    warnings.some((text) =>
      text.includes(`process ${process.ppid} is already using ${third.folder}, a run with these options`),
    ),
  );
});

test.serial('only one of two calls that resume the same run trains, even within one process', async (t) => {
  const { root: path, runs } = t.context;
  const whole = await train({ ...short, path, runs });
  const { folder } = await train({ ...short, path, runs }, stopAfter(2));
  const both = await Promise.allSettled([1, 2].map(() => train({}, { resume: folder! })));
  const [done] = both.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const [refused] = both.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
  t.like(refused, { code: 'ERR_HOROBALL_RUN_BUSY' });
  t.regex(refused!.message, /another call in this process is still using it/);
  await same(t, done!, whole);
});

test.serial(
  'the lock of a run on another host is respected, and the error says how to take the folder over',
  async (t) => {
    const { root: path, runs } = t.context;
    const { folder } = await train({ ...short, path, runs }, stopAfter(2));
    const claim = join(folder!, '.training');
    await writeFile(claim, JSON.stringify({ pid: 1, host: 'elsewhere' }));
    const error = await t.throwsAsync(train({}, { resume: folder! }), { code: 'ERR_HOROBALL_RUN_BUSY' });
    t.regex(
      error.message,
      /process 1 on the host elsewhere is still using it\. .* delete .*\.training to take over/,
    );
    await rm(claim);
    t.is((await train({}, { resume: folder! })).steps, 8);
  },
);

for (const [how, meddle, message] of [
  [
    'whose lock was deleted and taken over',
    (folder: string) =>
      writeFileSync(join(folder, '.training'), JSON.stringify({ pid: process.ppid, host: hostname() })),
    /process \d+ is using it now/,
  ],
  [
    'whose log another process has changed',
    (folder: string) => appendFileSync(join(folder, 'metrics.jsonl'), '{}\n'),
    /metrics\.jsonl has/,
  ],
] as const) {
  test.serial(`a run ${how} stops at its next checkpoint without changing the folder`, async (t) => {
    const { root: path, runs } = t.context;
    const { folder } = await train({ ...short, path, runs }, stopAfter(2));
    const read = () => ['last', 'model'].map((name) => readFileSync(join(folder!, `${name}.safetensors`)));
    let before: Buffer[] = [];
    const onStep = (): void => {
      if (before.length > 0) return;
      before = read();
      meddle(folder!);
    };
    const resumed = train({ save_every: 0 }, { resume: folder!, onStep });
    await t.throwsAsync(resumed, { code: 'ERR_HOROBALL_RUN_BUSY', message });
    t.true(read().every((bytes, i) => bytes.equals(before[i]!)));
  });
}

test.serial('a longer run resumes from the end of a shorter one; other options are rejected', async (t) => {
  const { root: path, runs } = t.context;
  const short_ = { ...tinyRun, ep: 3, path, runs, eval_ep: '[3]' };
  const { folder } = await train(short_);
  const longer = await train({ ep: 5 }, { resume: folder! });
  t.is(longer.steps, 5);
  t.deepEqual(
    longer.evaluations.map((row) => row.epoch),
    [3, 5],
  );
  const error = await t.throwsAsync(train({ lr: 1 }, { resume: folder! }), { code: 'ERR_HOROBALL_CONFIG' });
  t.regex(
    error.message,
    /lr: expected 0\.0003, the value that the run .* started with, got 1\. Omit the option/,
  );
});

test.serial('a finished run that is resumed with save_emb writes its embeddings', async (t) => {
  const { root: path, runs } = t.context;
  const { folder, steps } = await train({ ...tinyRun, ep: 2, path, runs, eval_ep: '[2]' });
  t.false((await filesOf(folder!)).some((file) => /_(eval|train)\.safetensors$/.test(file)));
  const again = await train({ save_emb: true, emb_name: 'late' }, { resume: folder! });
  t.is(again.steps, steps);
  const written = (await filesOf(folder!)).filter((file) => /_(eval|train)\.safetensors$/.test(file));
  t.deepEqual(written, ['late_eval.safetensors', 'late_train.safetensors']);
});

test.serial('a resumed run continues with the next custom batch', async (t) => {
  async function* batches(): AsyncGenerator<LabeledBatch> {
    const length = side * side * 3;
    for (let step = 0; step < 6; step++) {
      const labels = Int32Array.from({ length: 8 }, (_, row) => row >> 1);
      const images = new Uint8Array(8 * length);
      for (const [row, label] of labels.entries())
        images.set(drawImage(label, 2 * step + (row & 1)), row * length);
      yield { images, count: 8, size: side, labels };
    }
  }
  const options: Options = { ...tinyRun, crop: 24, resize: 24, runs: t.context.runs, eval_ep: '[]' };
  const whole = await train(options, { data: batches() });
  const stopped = await train(options, { data: batches(), ...stopAfter(4) });
  const resumed = await train({}, { data: batches(), resume: stopped.folder! });
  t.deepEqual(await weightsOf(resumed), await weightsOf(whole));
});

for (const save_every of [60, null]) {
  test.serial(
    `a run that was stopped before its first step starts again, save_every ${save_every}`,
    async (t) => {
      const { root: path, runs } = t.context;
      const stop = new AbortController();
      const options: Options = { ...short, path, runs, save_every };
      const stopped = await train(options, { signal: stop.signal, onBegin: () => stop.abort() });
      t.is(stopped.steps, 0);
      t.true((await readdir(stopped.folder!)).includes('model.safetensors'));
      const again = await train({}, { resume: stopped.folder! });
      t.deepEqual([again.folder, again.steps], [stopped.folder, 8]);
      t.deepEqual(await weightsOf(again), await weightsOf(await train(options)));
    },
  );
}

test.serial('every reason why a run cannot be resumed is reported in one sentence', async (t) => {
  const { root: path, runs } = t.context;
  const refused = (resume: string, code: string, message: RegExp): Promise<unknown> =>
    t.throwsAsync(train({}, { resume }), { code, message });
  await refused(
    join(runs, 'none'),
    'ERR_HOROBALL_RUN',
    /expected a run folder, got .*none, which does not exist/,
  );
  await t.throwsAsync(train({ ...short, path, runs: null }, { resume: 'auto' }), {
    code: 'ERR_HOROBALL_CONFIG',
    message: /resume: expected runs to be a folder/,
  });
  const without = await train({ ...short, path, runs, save_every: null });
  await refused(
    without.folder!,
    'ERR_HOROBALL_CHECKPOINT',
    /expected a checkpoint \(last\.safetensors\), got .*, which has weights but no last\.safetensors/,
  );

  const stopped = await train({ ...short, path, runs }, stopAfter(1));
  const last = join(stopped.folder!, 'last.safetensors');
  const whole = await readFile(last);
  await writeFile(last, whole.subarray(0, 5000));
  await refused(stopped.folder!, 'ERR_HOROBALL_FORMAT', /last\.safetensors/);
  const { tensors, metadata } = await readSafetensors(join(stopped.folder!, 'model.safetensors'));
  await writeSafetensors(last, tensors, { metadata });
  await refused(
    stopped.folder!,
    'ERR_HOROBALL_CHECKPOINT',
    /expected a checkpoint, got .*, which only contains weights/,
  );
  await writeSafetensors(last, tensors, { metadata: { ...metadata, 'horoball.checkpoint': '{' } });
  await refused(stopped.folder!, 'ERR_HOROBALL_FORMAT', /cannot be used: it is not JSON/);
  await writeFile(last, whole);
  await writeFile(
    join(stopped.folder!, '.training'),
    JSON.stringify({ pid: process.ppid, host: hostname() }),
  );
  await refused(
    stopped.folder!,
    'ERR_HOROBALL_RUN_BUSY',
    new RegExp(`process ${process.ppid} is still using it`),
  );
  const left = (await readdir(stopped.folder!)).sort();
  t.true(left.includes('.training'), 'the lock of the other process remains');
});
