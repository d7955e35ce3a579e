import test from 'ava';
import { AdamW, CachedEmbeddings, type Embedder, HybridLoss } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { networkError } from '../../tolerances.ts';
import { randomImages, relativeError, tinyBatch, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

const numbers = { views: 2, tauE: 0.1, tauH: 0.2, lambda: 1, c: 0.1, clipR: 2.3 } as const;
const count = 22;
const chunk = 5; // the last chunk is smaller

/** Backpropagates a loss, in one graph or in chunks, and returns it. */
async function backward(model: Embedder, loss: HybridLoss, seed: number, chunked: boolean): Promise<number> {
  using batch = tinyBatch(count, seed);
  const labels = Int32Array.from({ length: count }, (_, row) => row % (count / 2));
  const whole = { images: randomImages(count, seed), count, size: tinyViT.imgSize, labels };
  using outputs = chunked ? new CachedEmbeddings(model, whole, chunk) : model.forward(batch);
  using objective = loss.apply(outputs, labels);
  objective.backward();
  if (outputs instanceof CachedEmbeddings) outputs.backward();
  return (await objective.read()).loss;
}

test.serial('images that were transferred in the meantime cause a coded error', async (t) => {
  using model = await tinyEmbedder();
  const images = randomImages(count);
  using outputs = new CachedEmbeddings(model, { images, count, size: tinyViT.imgSize }, chunk);
  structuredClone(images.buffer, { transfer: [images.buffer as ArrayBuffer] });
  t.throws(() => outputs.backward(), { code: 'ERR_HOROBALL_DETACHED' });
});

for (const head of ['hypmix', 'hyp-vit'] as const) {
  for (const geometry of ['hybrid', 'euclidean', 'hyperbolic'] as const) {
    test.serial(
      `${head}, ${geometry}: the gradient computed in chunks equals that of the whole batch`,
      async (t) => {
        const loss = new HybridLoss({ ...numbers, geometry, tied: head === 'hypmix' });
        using whole = await tinyEmbedder({ head });
        using cached = await tinyEmbedder({ head });
        const [expected, got] = [
          await backward(whole, loss, 1, false),
          await backward(cached, loss, 1, true),
        ];
        t.true(Math.abs(got / expected - 1) < networkError.order, `${got} and ${expected}`);
        const gradients = await whole.gradients();
        const flat = (of: typeof gradients): number[] => [...of.values()].flatMap(({ data }) => [...data]);
        const error = relativeError(flat(await cached.gradients()), flat(gradients));
        t.true(error < networkError.orderOfGradients, `${error}`);
      },
    );
  }
}

test.serial('twenty steps in chunks have the same losses as twenty whole steps', async (t) => {
  const loss = new HybridLoss({ ...numbers, geometry: 'hybrid', tied: true });
  const losses = async (chunked: boolean): Promise<number[]> => {
    using model = await tinyEmbedder();
    using optimizer = new AdamW(model, { lr: 3e-4 });
    const seen: number[] = [];
    for (let step = 0; step < 20; step++) {
      seen.push(await backward(model, loss, step % 4, chunked));
      optimizer.clipGradNorm(3);
      optimizer.step();
      optimizer.zeroGrad();
    }
    return seen;
  };
  const [whole, cached] = [await losses(false), await losses(true)];
  t.true(whole[19]! < 0.9 * whole[3]!, 'the loss decreases');
  for (const [step, value] of whole.entries())
    t.true(
      Math.abs(cached[step]! / value - 1) < networkError.orderOfGradients,
      `step ${step}: ${cached[step]} and ${value}`,
    );
});

test.serial('disposes of all handles of chunks', async (t) => {
  using model = await tinyEmbedder();
  const before = memory().handles;
  await backward(model, new HybridLoss({ ...numbers, geometry: 'hybrid', tied: true }), 1, true);
  t.is(memory().handles, before);
});

test.serial('a chunk size of 0 is rejected', async (t) => {
  using model = await tinyEmbedder();
  const one = { images: randomImages(1), count: 1, size: tinyViT.imgSize, labels: Int32Array.of(0) };
  t.throws(() => new CachedEmbeddings(model, one, 0), { code: 'ERR_HOROBALL_RANGE' });
});
