// Resumes runs whose checkpoints were forged, with valid checksums.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type ExecutionContext, type TestFn } from 'ava';
import type { TensorData } from '../../../lib/io/elements.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { train } from '../../../lib/train/index.ts';
import { tinyRun } from '../tiny-data.ts';
import { forge, resume, type Saved, type StoppedRun, stoppedRun } from './stopped-run.ts';

const test = ava as TestFn<StoppedRun>;

test.before(async (t) => {
  t.context = await stoppedRun();
});
test.after.always((t) => t.context.remove());

const CHECKPOINT = 'ERR_HOROBALL_CHECKPOINT';

test.serial('validates the metadata of a checkpoint', async (t) => {
  const { tensors, metadata } = await readSafetensors(join(t.context.folder, 'last.safetensors'));
  const key = 'horoball.checkpoint';
  const contents = JSON.parse(metadata[key]!);
  const { position } = contents;
  const FORMAT = 'ERR_HOROBALL_FORMAT';
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

type Change = (saved: Saved) => void;

/** Returns a change that sets the value at a path such as `position.step`. */
const set =
  (path: string, value: unknown): Change =>
  ({ contents }) => {
    const names = path.split('.');
    const last = names.pop()!;
    let at = contents;
    for (const name of names) at = at[name];
    at[last] = value;
  };
/** Returns a change that replaces one tensor's data. */
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
  'rejects a checkpoint that is not the complete state of its run, even with valid checksums',
  async (t) => {
    const sizes = /has (4|-1|0|NaN)? ?.*instead of 3/;
    await refuses(t, await t.context.copy(), [
      [remove('random/cpu'), /it lacks random\/cpu, which this run has/],
      [data('random/cpu', (old) => new Int8Array(old.length)), /random\/cpu as Int8Array, not Uint8Array/],
      [
        data('random/cpu', (old) => (old as Uint8Array).slice(1)),
        /random: expected a valid random state of cpu/,
      ],
      [
        data('random/cpu', (old) => new Uint8Array(old.length).fill(255)),
        /random: expected a valid random state of cpu/,
      ],
      [remove('optimizer/step'), /it lacks optimizer\/step, which this run has/],
      [remove('cls_token'), /it lacks cls_token, which this run has/],
      [add('training/cls_token'), /it has training\/cls_token, which this run lacks/],
      [add('optimizer/more'), /it has optimizer\/more, which this run lacks/],
      [add('other/part'), /it has other\/part, which this run lacks/],
      ...[4, 0, -1, Number.NaN, 1e30].map((steps) => [data('optimizer/step', first(steps)), sizes] as const),
      [data('optimizer/cls_token.exp_avg_sq', first(-1)), /the value -1 in optimizer\/cls_token\.exp_avg_sq/],
      [data('optimizer/cls_token.exp_avg', first(Infinity)), /the value Infinity in/],
      [data('cls_token', first(Number.NaN)), /the value NaN in cls_token/],
      [data('cls_token', (old) => Float64Array.from(old as Float32Array)), /cls_token as Float64Array/],
      [data('cls_token', (old) => new Float32Array(old.length + 1)), /cls_token/, 'ERR_HOROBALL_SHAPE'],
      [set('learnt.steps', 3), /learnable scalars of 3 steps instead of 0/],
      [
        set('learnt.places.t_e', { offset: 0, first: 0, second: 0 }),
        /only the learnable scalars of the run, got t_e\. Add t_e to learn\./,
      ],
      [
        set('scaler', { scale: 1, goodSteps: 0, skipped: 0 }),
        /has a loss scaler, which this run does not use/,
      ],
      [
        set('position.best', { step: 4, epoch: 4, recall: 1 }),
        /the best evaluation is from a later step/,
        'ERR_HOROBALL_FORMAT',
      ],
      [set('position.evaluated', [2, 4, 6]), /an evaluation is from a later step/, 'ERR_HOROBALL_FORMAT'],
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
      [remove('training/cls_token'), /it lacks training\/cls_token, which this run has/],
      [set('scaler', null), /has no loss scaler/],
      [scaler({ scale: 1e-300 }), /has an invalid loss scale \(1e-300\)/],
      [scaler({ scale: 1e300 }), /has an invalid loss scale \(1e\+300\)/],
      [scaler({ goodSteps: 2000 }), /\(2000 steps since the last change, \d skipped, 3 in total\)/],
      [scaler({ skipped: 4 }), /\(\d steps since the last change, 4 skipped, 3 in total\)/],
      [place(200), /t_e within learn_range, got exp\(200\) times its initial value/],
      [set('learnt.places', {}), /a checkpoint with a learnable t_e, got one without/],
      [set('learnt.steps', 100), /scalars of 100 steps instead of/],
      [
        ({ tensors }) => {
          const empty = { shape: [0], data: new Float32Array(0) };
          for (const name of ['euclidean', 'hyperbolic']) tensors.set(`memory/${name}`, empty);
          tensors.set('memory/labels', { shape: [0], data: new Int32Array(0) });
        },
        /has an empty cross-batch memory after \d steps/,
      ],
      [remove('memory/labels'), /it lacks memory\/labels, which this run has/],
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
