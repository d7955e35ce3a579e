// Resuming a run whose files were damaged, truncated, forged or replaced by links.
import { execFile } from 'node:child_process';
import { copyFile, cp, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ava, { type ExecutionContext, type TestFn } from 'ava';
import { Gallery, matrix } from '../../../lib/index.ts';
import type { TensorData } from '../../../lib/io/elements.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { random } from '../../../lib/random.ts';
import {
  Checkpoint,
  Embedder,
  readRun,
  setThreads,
  type TrainResult,
  train,
} from '../../../lib/train/index.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

interface Context {
  images: string;
  runs: string;
  folder: string;
  copy(): Promise<string>;
  remove(): Promise<void>;
}

const test = ava as TestFn<Context>;

test.before(async (t) => {
  setThreads(1);
  const { path, remove } = await temporary();
  const images = join(path, 'images');
  await writeImages(images, classNames(32), 4);
  const stop = new AbortController();
  const { folder } = await train(
    { ...tinyRun, ep: 4, eval_ep: '[2]+[4]', path: images, runs: join(path, 'runs') },
    { signal: stop.signal, onStep: ({ step }) => step === 3 && stop.abort() },
  );
  let copies = 0;
  const copy = async (): Promise<string> => {
    const to = join(path, `copy-${++copies}`);
    await cp(folder!, to, { recursive: true });
    return to;
  };
  t.context = { images, runs: join(path, 'runs'), folder: folder!, copy, remove };
});
test.after.always((t) => t.context.remove());

const resume = (folder: string): Promise<TrainResult> => train({}, { resume: folder });

test.serial('a checkpoint with a flipped bit in the weights is rejected, naming the tensor', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const bytes = await readFile(last);
  bytes[bytes.length - 100_000]! ^= 4;
  await writeFile(last, bytes);
  await t.throwsAsync(resume(folder), {
    code: 'ERR_HOROBALL_FORMAT',
    message: /last\.safetensors.*the checksum of ".+" is wrong\. Use another copy/,
  });
});

test.serial('every flipped bit of a checkpoint and of a gallery is refused, wherever it is', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const gallery = join(folder, 'gallery');
  const points = new Gallery<Float32Array>({ c: 1 });
  await points.add(matrix(new Float32Array(12).fill(0.1), 4, 3), [1, 2, 3, 4]);
  await points.save(gallery);
  const next = random(16);
  for (const [path, read, flips] of [
    [last, Checkpoint.read, 40],
    [gallery, Gallery.load, 200],
  ] as const) {
    const sound = await readFile(path);
    const header = 8 * (8 + Number(sound.readBigUInt64LE()));
    for (let i = 0; i < flips; i++) {
      const bit = Math.floor(next() * (i % 2 === 0 ? header : 8 * sound.length));
      const bytes = Buffer.from(sound);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, bytes);
      const error = await t.throwsAsync<Error & { code?: string }>(read(path), undefined, `bit ${bit}`);
      t.regex(error?.code ?? error?.message ?? '', /^ERR_HOROBALL_/, `bit ${bit}`);
    }
    await writeFile(path, sound);
    await t.notThrowsAsync(read(path));
  }
});

test.serial('a checkpoint of an earlier version, without checksums, resumes', async (t) => {
  const folder = await t.context.copy();
  const last = join(folder, 'last.safetensors');
  const { tensors, metadata } = await readSafetensors(last);
  await writeSafetensors(last, tensors, { metadata });
  t.false((await readFile(last)).includes('crc32'));
  t.is((await resume(folder)).steps, 4);
});

for (const [how, damage, message] of [
  [
    'shorter than its checkpoint',
    (log: string) => truncate(log, 100),
    /metrics\.jsonl to have the \d+ bytes .*, got 100: its end was lost/,
  ],
  [
    'missing',
    (log: string) => rm(log),
    /metrics\.jsonl to have the \d+ bytes of its checkpoint, got no file/,
  ],
  [
    'of another run',
    async (log: string) => writeFile(log, (await readFile(log, 'utf8')).replaceAll('"step":3', '"step":7')),
    /the row of step 3 before \d+ bytes, got step 7/,
  ],
  [
    'of other lines',
    async (log: string) => writeFile(log, ` ${await readFile(log, 'utf8')}`),
    /a complete line at \d+ bytes, got a partial one/,
  ],
] as const) {
  test.serial(`a log ${how} is rejected and not changed`, async (t) => {
    const folder = await t.context.copy();
    const log = join(folder, 'metrics.jsonl');
    await damage(log);
    const before = await readFile(log, 'utf8').catch(() => null);
    await t.throwsAsync(resume(folder), { code: 'ERR_HOROBALL_CHECKPOINT', message });
    t.is(await readFile(log, 'utf8').catch(() => null), before);
  });
}

test.serial('the metadata of a checkpoint is validated', async (t) => {
  const { tensors, metadata } = await readSafetensors(join(t.context.folder, 'last.safetensors'));
  const key = 'horoball.checkpoint';
  const contents = JSON.parse(metadata[key]!);
  const { position } = contents;
  const FORMAT = 'ERR_HOROBALL_FORMAT';
  const CHECKPOINT = 'ERR_HOROBALL_CHECKPOINT';
  for (const [forged, code] of [
    [null, FORMAT],
    [[], FORMAT],
    [{ ...contents, version: '1' }, FORMAT],
    [{ ...contents, version: 2 }, CHECKPOINT],
    [{ ...contents, position: undefined }, FORMAT],
    [{ ...contents, position: null }, FORMAT],
    [{ ...contents, config: null }, FORMAT],
    [{ ...contents, config: { ...contents.config, lr: -1 } }, FORMAT],
    [{ ...contents, learnt: null }, FORMAT],
    [{ ...contents, learnt: { steps: 0, places: { t_e: { offset: 'x', first: 0, second: 0 } } } }, FORMAT],
    [{ ...contents, scaler: { scale: -1, goodSteps: 0, skipped: 0 } }, FORMAT],
    [{ ...contents, machine: null }, FORMAT],
    [{ ...contents, position: { ...position, step: -1 } }, FORMAT],
    [{ ...contents, position: { ...position, step: 0.5 } }, FORMAT],
    [{ ...contents, position: { ...position, seconds: null } }, FORMAT],
    [{ ...contents, position: { ...position, best: { step: 1 } } }, FORMAT],
    [{ ...contents, position: { ...position, baselines: [null] } }, FORMAT],
    [{ ...contents, position: { ...position, complete: 'no' } }, FORMAT],
    [{ ...contents, position: { ...position, metricsBytes: 2 ** 42 } }, CHECKPOINT],
    [{ ...contents, position: { ...position, metricsBytes: 0 } }, CHECKPOINT],
    [{ ...contents, position: { ...position, step: 2 } }, CHECKPOINT],
    [{ ...contents, position: { ...position, step: 1e9 } }, 'ERR_HOROBALL_CONFIG'],
  ] as const) {
    const folder = await t.context.copy();
    const last = join(folder, 'last.safetensors');
    const text = JSON.stringify(forged);
    await writeSafetensors(last, tensors, { metadata: { ...metadata, [key]: text }, checksums: true });
    const { size } = await stat(join(folder, 'metrics.jsonl'));
    await t.throwsAsync(resume(folder), { code }, text);
    t.is((await stat(join(folder, 'metrics.jsonl'))).size, size, text);
  }
});

interface Saved {
  tensors: Map<string, { shape: readonly number[]; data: TensorData }>;
  // biome-ignore lint/suspicious/noExplicitAny: forged contents may be anything
  contents: any;
}

/** Changes a checkpoint and writes it back with valid checksums. */
async function forge(folder: string, change: (saved: Saved) => void): Promise<void> {
  const last = join(folder, 'last.safetensors');
  const { tensors, metadata } = await readSafetensors(last);
  const key = 'horoball.checkpoint';
  const saved = { tensors: new Map(tensors), contents: JSON.parse(metadata[key]!) };
  change(saved);
  const text = JSON.stringify(saved.contents);
  await writeSafetensors(last, saved.tensors, { metadata: { ...metadata, [key]: text }, checksums: true });
}

type Change = (saved: Saved) => void;

/** A change of the value at a path such as `position.step`. */
const set =
  (path: string, value: unknown): Change =>
  ({ contents }) => {
    const names = path.split('.');
    const last = names.pop()!;
    let at = contents;
    for (const name of names) at = at[name];
    at[last] = value;
  };
/** A change of one tensor's data. */
const data =
  (name: string, value: (old: TensorData) => TensorData) =>
  ({ tensors }: Saved): void => {
    const { data: old } = tensors.get(name)!;
    const made = value(old);
    tensors.set(name, {
      shape: made.length === old.length ? tensors.get(name)!.shape : [made.length],
      data: made,
    });
  };
const first =
  (value: number) =>
  (old: TensorData): TensorData =>
    Float32Array.from(old as Float32Array, (each, i) => (i === 0 ? value : each));
const remove =
  (name: string) =>
  ({ tensors }: Saved): void =>
    void tensors.delete(name);
const add =
  (name: string) =>
  ({ tensors }: Saved): void =>
    void tensors.set(name, { shape: [1], data: new Float32Array(1) });
const CHECKPOINT = 'ERR_HOROBALL_CHECKPOINT';

async function refuses(
  t: ExecutionContext,
  folder: string,
  cases: readonly (readonly [change: (saved: Saved) => void, message: RegExp, code?: string])[],
): Promise<void> {
  const last = join(folder, 'last.safetensors');
  const [sound, log] = [await readFile(last), await readFile(join(folder, 'metrics.jsonl'))];
  for (const [change, message, code = CHECKPOINT] of cases) {
    await forge(folder, change);
    await t.throwsAsync(resume(folder), { code, message }, String(message));
    t.deepEqual(await readFile(join(folder, 'metrics.jsonl')), log, String(message));
    await writeFile(last, sound);
  }
  t.is((await resume(folder)).steps, 4);
}

test.serial(
  'a checkpoint that is not the whole state of its run is rejected, even with valid checksums',
  async (t) => {
    const sizes = /has (4|-1|0|NaN)? ?.*instead of 3/;
    await refuses(t, await t.context.copy(), [
      [remove('random/cpu'), /only one of them has random\/cpu/],
      [data('random/cpu', (old) => new Int8Array(old.length)), /random\/cpu as Int8Array, not Uint8Array/],
      [
        data('random/cpu', (old) => (old as Uint8Array).slice(1)),
        /random: expected a valid random state of cpu/,
      ],
      [
        data('random/cpu', (old) => new Uint8Array(old.length).fill(255)),
        /random: expected a valid random state of cpu/,
      ],
      [remove('optimizer/step'), /only one of them has optimizer\/step/],
      [remove('cls_token'), /only one of them has cls_token/],
      [add('training/cls_token'), /only one of them has training\/cls_token/],
      [add('optimizer/more'), /only one of them has optimizer\/more/],
      [add('other/part'), /only one of them has other\/part/],
      ...[4, 0, -1, Number.NaN, 1e30].map((steps) => [data('optimizer/step', first(steps)), sizes] as const),
      [data('optimizer/cls_token.exp_avg_sq', first(-1)), /the value -1 in optimizer\/cls_token\.exp_avg_sq/],
      [data('optimizer/cls_token.exp_avg', first(Infinity)), /the value Infinity in/],
      [data('cls_token', first(Number.NaN)), /the value NaN in cls_token/],
      [data('cls_token', (old) => Float64Array.from(old as Float32Array)), /cls_token as Float64Array/],
      [data('cls_token', (old) => new Float32Array(old.length + 1)), /cls_token/, 'ERR_HOROBALL_SHAPE'],
      [set('learnt.steps', 3), /scalars learned in 3 steps instead of 0/],
      [
        set('learnt.places.t_e', { offset: 0, first: 0, second: 0 }),
        /only the learnable scalars of the run, got t_e\. Add t_e\./,
      ],
      [
        set('scaler', { scale: 1, goodSteps: 0, skipped: 0 }),
        /has a loss scaler, which this run does not use/,
      ],
      [
        set('position.best', { step: 4, epoch: 4, recall: 1 }),
        /the best evaluation is of a later step/,
        'ERR_HOROBALL_FORMAT',
      ],
      [set('config.seed', 43), /got a different seed \(43 instead of \d+\)\. Restore/],
    ]);
  },
);

test.serial(
  'an incomplete checkpoint of a run with averages, memory, loss scale and learnable scalars is rejected',
  async (t) => {
    const { images, runs } = t.context;
    const stop = new AbortController();
    const { folder } = await train(
      {
        ...tinyRun,
        ...{ ep: 4, eval_ep: '[]', memory: 3, ema: 0.8, learn: 't_e', precision: 'float16' },
        ...{ path: images, runs },
      },
      { signal: stop.signal, onStep: ({ step }) => step === 3 && stop.abort() },
    );
    const scaler =
      (more: object) =>
      ({ contents }: Saved): void =>
        void Object.assign(contents.scaler, more);
    const place = (offset: number): Change => set('learnt.places.t_e.offset', offset);
    await refuses(t, folder!, [
      [remove('training/cls_token'), /only one of them has training\/cls_token/],
      [set('scaler', null), /has no loss scaler/],
      [scaler({ scale: 1e-300 }), /has the loss scale 1e-300/],
      [scaler({ scale: 1e300 }), /has the loss scale 1e\+300/],
      [scaler({ goodSteps: 2000 }), /2000 good and \d skipped steps of 3/],
      [scaler({ skipped: 4 }), /4 skipped steps of 3/],
      [place(200), /t_e within learn_range, got exp\(200\) times its initial value/],
      [set('learnt.places', {}), /a checkpoint with a learnable t_e, got one without/],
      [set('learnt.steps', 100), /learned in 100 steps instead of/],
      [
        ({ tensors }) => {
          const empty = { shape: [0], data: new Float32Array(0) };
          for (const name of ['euclidean', 'hyperbolic']) tensors.set(`memory/${name}`, empty);
          tensors.set('memory/labels', { shape: [0], data: new Int32Array(0) });
        },
        /has an empty memory after \d steps/,
      ],
      [remove('memory/labels'), /only one of them has memory\/labels/],
      [
        data('memory/labels', (old) => new Int32Array(old.length)),
        /labels: expected at most 3 different classes, got 0,0,0/,
        'ERR_HOROBALL_RANGE',
      ],
      [
        data('memory/labels', () => Int32Array.of(1, 2, 3, 4)),
        /at most 3 different classes/,
        'ERR_HOROBALL_RANGE',
      ],
      [
        data('memory/labels', (old) => Float32Array.from(old as Int32Array)),
        /memory\/labels as Float32Array/,
      ],
      [data('memory/euclidean', first(Number.NaN)), /the value NaN in memory\/euclidean/],
      [data('memory/euclidean', () => new Float32Array(1)), /euclidean/, 'ERR_HOROBALL_SHAPE'],
    ]);
  },
);

test.serial('a modified config.json is rejected', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  for (const [name, value] of Object.entries({
    lr: 7e-4,
    seed: 43,
    t_e: 0.9,
    clip_r: 2,
    geometry: 'euclidean',
  })) {
    await writeFile(file, JSON.stringify({ ...config, [name]: value }));
    await t.throwsAsync(resume(folder), {
      code: CHECKPOINT,
      message: new RegExp(`got a different ${name} `),
    });
  }
  await writeFile(file, JSON.stringify(config));
  t.is((await resume(folder)).steps, 4);
});

test.serial('weights are not used with other settings than those that they were trained with', async (t) => {
  const folder = await t.context.copy();
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  const other = { embed_dim: 32, depth: 2, num_heads: 2, img_size: 16, patch_size: 4, norm_eps: 1e-3 };
  for (const [name, value, code] of [
    ['hyp_c', 0.3],
    ['clip_r', 2],
    ['clip_r', null],
    ['head', 'hyp-vit'],
    ['emb', 17, 'ERR_HOROBALL_SHAPE'],
    ['model', JSON.stringify(other), /ERR_HOROBALL_(WEIGHTS|SHAPE)/],
  ] as const) {
    await writeFile(file, JSON.stringify({ ...config, [name]: value }));
    const error = await t.throwsAsync<Error & { code: string }>(Embedder.load(folder), undefined, name);
    t.regex(error.code, code === undefined ? /^ERR_HOROBALL_WEIGHTS$/ : new RegExp(code), error.message);
    if (code === undefined)
      t.regex(error.message, new RegExp(`${name}: expected .* was trained, got .* Restore config\\.json`));
  }
  await writeFile(file, JSON.stringify({ ...config, lr: 7e-4, ep: 40 }));
  (await Embedder.load(folder)).dispose();
});

test.serial('a modified log causes a warning and does not affect the run', async (t) => {
  const folder = await t.context.copy();
  const log = join(folder, 'metrics.jsonl');
  const text = await readFile(log, 'utf8');
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith('{"type":"evaluation"'));
  const row = JSON.parse(lines[at]!);
  row.spaces.hyperbolic.at['1'] = 1; // better than any later evaluation
  lines[at] = JSON.stringify(row).padEnd(lines[at]!.length).slice(0, lines[at]!.length);
  await writeFile(log, lines.join('\n'));
  const { position } = await Checkpoint.read(folder);
  const warnings: string[] = [];
  await train({}, { resume: folder, onWarning: (warning) => void warnings.push(warning) });
  t.is(
    warnings.filter((warning) => /metrics\.jsonl was changed after the checkpoint/.test(warning)).length,
    1,
  );
  const after = await Checkpoint.read(folder);
  t.true(after.position.best!.recall >= position.best!.recall);
  t.true(after.position.best!.recall < 1);
  // From now on the changed log is accepted, without another warning.
  const again: string[] = [];
  await train({ ep: 5 }, { resume: folder, onWarning: (warning) => void again.push(warning) });
  t.deepEqual(
    again.filter((warning) => /was changed/.test(warning)),
    [],
  );
});

test.serial(
  'a line of the log longer than a megabyte is skipped, and a run that does not need it resumes',
  async (t) => {
    const long = `{"type":"step","note":"${'x'.repeat(2 ** 20)}"}\n`;
    const padded = async (place: 'start' | 'end'): Promise<string> => {
      const folder = await t.context.copy();
      const log = join(folder, 'metrics.jsonl');
      const text = await readFile(log, 'utf8');
      await writeFile(log, place === 'start' ? long + text : text + long);
      const bytes = (await stat(log)).size;
      await forge(folder, ({ contents }) => {
        contents.position.metricsBytes = bytes;
        delete contents.position.metricsCrc32;
      });
      return folder;
    };
    const warnings: string[] = [];
    const onWarning = (warning: string): void => void warnings.push(warning);
    t.is((await train({}, { resume: await padded('start'), onWarning })).steps, 4);
    t.regex(
      warnings.join('\n'),
      /1 line of metrics\.jsonl is invalid .*line 1: it has more than 1048576 characters/,
    );
    await t.throwsAsync(resume(await padded('end')), {
      code: CHECKPOINT,
      message: /the row of step 3 before \d+ bytes, got none/,
    });
  },
);

test.serial('a weights file with an invalid curvature is rejected', async (t) => {
  const { Embedder, loadTrained } = await import('../../../lib/train/index.ts').then(async (all) => ({
    ...all,
    ...(await import('../../../lib/train/run/checkpoint.ts')),
  }));
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

test.serial('links and pipes in a run folder are rejected', async (t) => {
  for (const name of ['metrics.jsonl', 'config.json', 'last.safetensors']) {
    const folder = await t.context.copy();
    const [file, outside] = [join(folder, name), `${folder}-outside`];
    await rename(file, outside);
    const before = await readFile(outside);
    await symlink(outside, file);
    const refused = { code: 'ERR_HOROBALL_FORMAT', message: /got a link, folder, pipe or device/ };
    await t.throwsAsync(resume(folder), refused, name);
    t.true(before.equals(await readFile(outside)));
    await rm(file);
    if (process.platform === 'win32') continue;
    await promisify(execFile)('mkfifo', [file]);
    await t.throwsAsync(resume(folder), refused, name);
    await rm(file);
    await copyFile(outside, file);
    t.is((await resume(folder)).steps, 4);
  }
});
