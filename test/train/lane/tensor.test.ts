import test from 'ava';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { networkError } from '../../tolerances.ts';
import { randomImages, relativeError, tinyEmbedder } from '../helpers.ts';

test.before(() => setThreads(1));

test('bytes are normalized to (x / 255 - mean) / std, channels first', async (t) => {
  using model = await tinyEmbedder();
  const [mean, std] = [[0.1, 0.2, 0.3] as const, [0.5, 0.25, 2] as const];
  const images = randomImages(3);
  const floats = Float32Array.from({ length: images.length }, (_, i) => {
    const [row, within] = [Math.floor(i / 768), i % 768];
    const [channel, pixel] = [Math.floor(within / 256), within % 256];
    return (images[row * 768 + pixel * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
  });
  using bytes = Batch.from(images, { count: 3, size: 16 }, mean, std);
  using ready = Batch.fromNormalized(floats, { count: 3, size: 16 });
  const [a, b] = [model.forward(bytes), model.forward(ready)];
  t.true(relativeError(await a.body.data(), await b.body.data()) < networkError.layers);
});

test('rejects images of the wrong length, and keeps the former spelling as an alias', (t) => {
  const one = { count: 1, size: 16 };
  const message = /^\[batch\.fromNormalized\] images: expected 1 x 16 x 16 x 3 values/;
  t.throws(() => Batch.fromNormalized(new Float32Array(767), one), { code: 'ERR_HOROBALL_SHAPE', message });
  t.throws(() => Batch.fromNormalised(new Float32Array(767), one), { code: 'ERR_HOROBALL_SHAPE', message });
  t.throws(() => Batch.from(new Uint8Array(768), { count: 0, size: 16 }, [0, 0, 0], [1, 1, 1]), {
    message: /count/,
  });
  using batch = Batch.fromNormalised(new Float32Array(768), one);
  t.is(batch.count, 1);
});

test('rejects means and standard deviations that would make every value NaN', (t) => {
  const from = (mean: unknown, std: unknown) =>
    Batch.from(randomImages(1), { count: 1, size: 16 }, mean as never, std as never);
  const one = [1, 1, 1];
  for (const [mean, std, code, message] of [
    [[Number.NaN, 1, 1], one, 'ERR_HOROBALL_RANGE', /^\[batch\.from\] mean: expected a finite number/],
    [one, [0, 1, 1], 'ERR_HOROBALL_RANGE', /^\[batch\.from\] std: expected a finite number > 0, got 0/],
    [one, [1, 1, Infinity], 'ERR_HOROBALL_RANGE', /std/],
    [
      [0, 0, 0],
      [1e-300, 1, 1],
      'ERR_HOROBALL_RANGE',
      /std: expected .* finite in float32, got \[1e-300,1,1\]/,
    ],
    [[1, 1, 1e300], one, 'ERR_HOROBALL_RANGE', /finite in float32/],
    [one, [1, 1], 'ERR_HOROBALL_TYPE', /^\[batch\.from\] std: expected three numbers/],
    [new Float32Array(3), one, 'ERR_HOROBALL_TYPE', /^\[batch\.from\] mean: expected three numbers/],
  ] as const)
    t.throws(() => from(mean, std), { code, message }, String(message));
});

test('the shape of a tensor cannot be changed', async (t) => {
  using model = await tinyEmbedder();
  using batch = Batch.fromNormalized(new Float32Array(768), { count: 1, size: 16 });
  using outputs = model.forward(batch);
  t.throws(
    () => {
      (outputs.euclidean.shape as number[])[0] = 1e9;
    },
    { instanceOf: TypeError },
  );
  t.is((await outputs.euclidean.data()).length, 6);
});
