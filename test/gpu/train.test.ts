// Compares the training layer on the device with the CPU: single steps, precisions, a whole run, and errors.
import test, { type ExecutionContext, type ImplementationFn } from 'ava';
import {
  AdamW,
  Batch,
  Embedder,
  type EmbedderOptions,
  GradScaler,
  HybridLoss,
  type LossValues,
  randomState,
  setRandomState,
  torchInfo,
  train,
} from '../../lib/train/index.ts';
import { networkError } from '../tolerances.ts';
import { randomImages, relativeError, tinyViT } from '../train/helpers.ts';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { missing as noKernels } from './device.ts';

const where = 'cuda';
const missing = reasonForNone();

function reasonForNone(): string | undefined {
  try {
    return torchInfo().cuda ? noKernels : 'this libtorch has no CUDA or finds no device';
  } catch (error) {
    return (error as Error).message;
  }
}

const gpu: (title: string, body: ImplementationFn<[]>) => void =
  missing === undefined ? test.serial : test.skip;

test('logs the device of these tests', (t) => {
  t.log(missing === undefined ? `on a CUDA device` : `SKIPPED, nothing was trained on a GPU: ${missing}`);
  t.pass();
});

/** More classes than a tile has rows (64), so each view has a full and a partial tile. */
const [classes, views, seed] = [70, 2, 3];
const count = classes * views;
const labels = Int32Array.from({ length: count }, (_, i) => (i * 37) % classes);
const numbers = { tauE: 0.1, tauH: 0.2, lambda: 0.7, c: 0.3 };

interface Trained {
  losses: LossValues[];
  norms: number[];
  weights: Float32Array;
  gradient: number;
}

/** Trains with a learnable curvature; `gradient` is its gradient in the last step. */
async function steps(
  device: 'cpu' | 'cuda',
  options: Partial<EmbedderOptions>,
  { count: times = 3, lr = 1e-3, scale = 0 } = {},
): Promise<Trained> {
  const model = { ...tinyViT, embedDim: 48, depth: 3 };
  const base = { model, head: 'hyp-vit', dim: 20, clipR: 1.5, c: numbers.c, seed: 5 } as const;
  using embedder = await Embedder.create({ ...base, ...options, device });
  using optimizer = new AdamW(embedder, { lr });
  using scaler = scale > 0 ? new GradScaler({ scale }) : null;
  const loss = new HybridLoss({ geometry: 'hybrid', tied: embedder.tied, views, ...numbers });
  const bytes = randomImages(count, seed);
  const [losses, norms]: [LossValues[], number[]] = [[], []];
  let gradient = 0;
  for (let step = 0; step < times; ++step) {
    embedder.setCurvature(numbers.c, { learnable: true });
    using batch = Batch.from(bytes, { count, size: model.imgSize }, model.mean, model.std, device);
    using out = embedder.forward(batch);
    using value = loss.apply(out, labels, { gradParams: true });
    if (scaler) scaler.backward(value);
    else value.backward();
    scaler?.unscale(optimizer);
    optimizer.clipGradNorm(3);
    if (scaler) {
      scaler.step(optimizer);
      scaler.update();
    } else optimizer.step();
    norms.push(await optimizer.gradNorm());
    gradient = await embedder.curvatureGradient();
    optimizer.zeroGrad();
    losses.push(await value.read());
  }
  const state = await embedder.state();
  const weights = Float32Array.from([...state.values()].flatMap(({ data }) => [...data]));
  return { losses, norms, weights, gradient };
}

function near(t: ExecutionContext, got: number, want: number, limit: number, what: string): void {
  t.true(
    Math.abs(got - want) <= limit * Math.max(1e-3, Math.abs(want)),
    `${what}: ${got}, on the CPU ${want}`,
  );
}

for (const head of ['hypmix', 'hyp-vit'] as const) {
  gpu(`${head}: three steps have the results, gradients and weights of the CPU`, async (t) => {
    const [got, want] = [await steps(where, { head }), await steps('cpu', { head })];
    for (const [step, expected] of want.losses.entries()) {
      const { gradParams, ...values } = expected;
      const found = got.losses[step]!;
      for (const [name, value] of Object.entries(values))
        near(t, found[name as keyof typeof values], value, networkError.device, `step ${step}, ${name}`);
      for (const [name, value] of Object.entries(gradParams!))
        near(
          t,
          found.gradParams![name as keyof typeof gradParams & string],
          value,
          networkError.deviceGradients,
          `${step}, ${name}`,
        );
      near(t, got.norms[step]!, want.norms[step]!, networkError.deviceGradients, `step ${step}, norm`);
    }
    near(t, got.gradient, want.gradient, networkError.deviceCurvature, 'gradient of c through the head');
    const error = relativeError(got.weights, want.weights);
    t.true(error < networkError.device, `weights: ${error}`);
  });
}

for (const [precision, scale] of [
  ['float32', 0],
  ['bfloat16', 0],
  ['float16', 2 ** 10],
] as const) {
  gpu(`${precision}: a network memorizes a batch`, async (t) => {
    const { losses } = await steps(where, { precision }, { count: 30, lr: 3e-3, scale });
    const [first, last] = [losses[0]!.loss, losses.at(-1)!.loss];
    t.true(last < 0.7 * first, `${first} to ${last}`);
  });
}

gpu('a run on the device agrees with the CPU, from the loader to the evaluation', async (t) => {
  const { path, remove } = await temporary();
  try {
    await writeImages(path, classNames(32), 4);
    const run = async (device: string, chunk: number | null = null) => {
      const losses: number[] = [];
      const options = { ...tinyRun, path, device, chunk, ep: 8, eval_ep: '[8]', runs: null, weights: null };
      const { evaluations } = await train(options, { onStep: (row) => losses.push(row.loss) });
      return { losses, recall: evaluations.at(-1)!.spaces.hyperbolic.at['1']! };
    };
    const [want, got, chunked] = [await run('cpu'), await run(where), await run(where, 12)];
    for (const { losses } of [got, chunked]) {
      t.is(losses.length, want.losses.length);
      for (const [step, value] of want.losses.entries())
        near(t, losses[step]!, value, networkError.bfloat16, `step ${step}`);
    }
    near(t, got.recall, want.recall, networkError.deviceRecall, 'Recall@1');
  } finally {
    await remove();
  }
});

gpu('weights and generator state are copied from the device and back bit for bit', async (t) => {
  const options = { model: tinyViT, head: 'hypmix', dim: 6, clipR: 2.3, c: 0.1 } as const;
  using there = await Embedder.create({ ...options, seed: 1, device: where });
  using here = await Embedder.create({ ...options, seed: 2 });
  await here.loadState(await there.state());
  t.deepEqual(await here.state(), await there.state());
  const state = await randomState(where);
  await setRandomState(state, where);
  t.deepEqual(await randomState(where), state);
});

gpu('errors name a full and a missing device, and later calls work', async (t) => {
  const options = { model: tinyViT, head: 'hypmix', dim: 6, clipR: 2.3, c: 0.1, seed: 1 } as const;
  await t.throwsAsync(Embedder.create({ ...options, device: 'cuda:99' }), {
    code: 'ERR_HOROBALL_DEVICE',
    message: /CUDA device 99 not found: /,
  });
  using embedder = await Embedder.create({ ...options, device: where });
  const size = { count: 400_000, size: tinyViT.imgSize };
  const many = new Uint8Array(size.count * size.size ** 2 * 3);
  const held: Disposable[] = [];
  const fill = async (): Promise<void> => {
    // Each batch takes 1.2 GB on the device as float32, so 200 batches do not fit.
    for (let i = 0; i < 200; ++i) {
      held.push(Batch.from(many, size, tinyViT.mean, tinyViT.std, where));
      await embedder.curvatureGradient();
    }
  };
  await t.throwsAsync(fill(), { code: 'ERR_HOROBALL_MEMORY', message: /Tried to allocate [\d.]+ [GM]iB/ });
  for (const each of held) each[Symbol.dispose]();
  using batch = Batch.from(randomImages(2), { count: 2, size: 16 }, tinyViT.mean, tinyViT.std, where);
  using out = embedder.forward(batch);
  t.is((await out.body.data()).length, 2 * tinyViT.embedDim);
});
