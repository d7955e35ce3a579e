import test from 'ava';
import { type Embedder, HybridLoss, type NamedTensor, type Precision } from '../../lib/train/index.ts';
import { setThreads } from '../../lib/train/native.ts';
import { AdamW } from '../../lib/train/optim.ts';
import { GradScaler } from '../../lib/train/scaler.ts';
import { embed, relativeError, tinyEmbedder } from './helpers.ts';

test.before(() => setThreads(1));

const loss = new HybridLoss({
  geometry: 'hybrid',
  tied: true,
  views: 2,
  tauE: 0.1,
  tauH: 0.2,
  lambda: 1,
  c: 0.1,
  clipR: 2.3,
});
const flat = (state: ReadonlyMap<string, NamedTensor>): number[] =>
  [...state.values()].flatMap(({ data }) => [...data]);

const lower: Precision[] = ['bfloat16', 'float16'];

async function outputs(precision: Precision): Promise<{ body: Float32Array; euclidean: Float32Array }> {
  using model = await tinyEmbedder({ precision });
  using out = embed(model, 6);
  return { body: await out.body.data(), euclidean: await out.euclidean.data() };
}

for (const precision of lower) {
  test.serial(`${precision} is the network to its precision, and its head float32`, async (t) => {
    const [exact, rounded] = [await outputs('float32'), await outputs(precision)];
    const error = relativeError(rounded.body, exact.body);
    t.true(error > 1e-6 && error < 2e-2, `${error}`);
    for (let row = 0; row < 6; row++) {
      const norm = Math.hypot(...rounded.euclidean.subarray(6 * row, 6 * row + 6));
      t.true(Math.abs(norm - 1) < 1e-6, 'bfloat16 would be off by 1e-3');
    }
  });

  test.serial(`gradients in ${precision} point where those in float32 do`, async (t) => {
    const gradients = async (of: Precision): Promise<number[]> => {
      using model = await tinyEmbedder({ precision: of });
      using out = embed(model, 8);
      using objective = loss.apply(out);
      objective.backward();
      return flat(await model.gradients());
    };
    const [exact, rounded] = [await gradients('float32'), await gradients(precision)];
    t.true(relativeError(rounded, exact) < 5e-2, `${relativeError(rounded, exact)}`);
  });
}

test.serial('a precision that is none is refused', async (t) => {
  await t.throwsAsync(tinyEmbedder({ precision: 'float8' as Precision }), { code: 'ERR_HOROBALL_TYPE' });
});

/** One scaled step; gives the norm that a clip would see before and after unscaling. */
async function scaledStep(model: Embedder, optimizer: AdamW, scaler: GradScaler): Promise<number[]> {
  optimizer.zeroGrad();
  using out = embed(model, 8);
  using objective = loss.apply(out);
  scaler.backward(objective);
  const scaled = await optimizer.gradNorm();
  scaler.unscale(optimizer);
  const norm = await optimizer.gradNorm();
  scaler.step(optimizer);
  scaler.update();
  return [scaled, norm];
}

test.serial('scaling by a power of two changes nothing but what a clip before unscaling sees', async (t) => {
  using plain = await tinyEmbedder();
  using optimizer = new AdamW(plain, { lr: 1e-2 });
  using out = embed(plain, 8);
  using objective = loss.apply(out);
  objective.backward();
  const norm = await optimizer.gradNorm();
  optimizer.step();

  using model = await tinyEmbedder();
  using scaledOptimizer = new AdamW(model, { lr: 1e-2 });
  using scaler = new GradScaler({ scale: 1024 });
  t.deepEqual(await scaledStep(model, scaledOptimizer, scaler), [1024 * norm, norm]);
  t.deepEqual(flat(await model.state()), flat(await plain.state()));
});

test.serial('the scale grows after enough good steps, and the state goes on', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-3 });
  using scaler = new GradScaler({ scale: 8, interval: 3, growth: 4 });
  for (let step = 0; step < 4; step++) await scaledStep(model, optimizer, scaler);
  t.deepEqual(await scaler.state(), { scale: 32, goodSteps: 1, skipped: 0, overflowed: false });
  using other = new GradScaler({ interval: 3, growth: 4 });
  other.loadState(await scaler.state());
  for (let step = 0; step < 2; step++) await scaledStep(model, optimizer, other);
  t.is((await other.state()).scale, 128);
});

test.serial('a forced overflow leaves the weights alone, and the scaler recovers', async (t) => {
  using model = await tinyEmbedder({ precision: 'float16' });
  using optimizer = new AdamW(model, { lr: 1e-3 });
  using scaler = new GradScaler({ scale: 2 ** 126, backoff: 2 ** -16 });
  const before = flat(await model.state());
  await scaledStep(model, optimizer, scaler);
  const { overflowed, scale } = await scaler.state();
  t.true(overflowed);
  t.is(scale, 2 ** 110);
  t.deepEqual(flat(await model.state()), before);
  let steps = 1;
  while ((await scaler.state()).overflowed) {
    await scaledStep(model, optimizer, scaler);
    t.true(++steps < 12);
  }
  const after = await scaler.state();
  t.is(after.skipped, steps - 1);
  t.notDeepEqual(flat(await model.state()), before);
  t.true(flat(await model.state()).every(Number.isFinite));
});
