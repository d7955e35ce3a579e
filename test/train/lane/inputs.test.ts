import test from 'ava';
import { checkInputs, checkSquareImages } from '../../../lib/train/lane/inputs.ts';
import { embed, tinyEmbedder } from '../helpers.ts';

test('the loss requires two tensors of the same shape', async (t) => {
  using embedder = await tinyEmbedder();
  using embeddings = embed(embedder, 4);
  const { body, euclidean, hyperbolic } = embeddings;
  t.like(checkInputs('apply', embeddings), { rows: 4, dim: 6 });
  t.throws(() => checkInputs('apply', null as never), { code: 'ERR_HOROBALL_TYPE' });
  t.throws(() => checkInputs('apply', { euclidean } as never), {
    code: 'ERR_HOROBALL_TYPE',
    message: '[apply] hyperbolic: expected an instance of Tensor, got undefined',
  });
  t.throws(() => checkInputs('apply', { euclidean: body, hyperbolic }), { code: 'ERR_HOROBALL_SHAPE' });
});

test('square images must have the number of bytes that count and size imply', (t) => {
  const squares = { images: new Uint8Array(2 * 4 * 4 * 3), count: 2, size: 4 };
  t.deepEqual(checkSquareImages('embed', squares), squares);
  class Pixel extends Uint8Array {
    constructor(...channels: number[]) {
      super(channels);
    }
  }
  const { images } = checkSquareImages('embed', { images: new Pixel(1, 2, 3), count: 1, size: 1 });
  t.deepEqual(images.subarray(0, 3), Uint8Array.of(1, 2, 3));
  t.throws(() => checkSquareImages('embed', { ...squares, count: 3 }), { code: 'ERR_HOROBALL_SHAPE' });
  t.throws(() => checkSquareImages('embed', { ...squares, count: 0 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => checkSquareImages('embed', { ...squares, images: [] as never }), {
    code: 'ERR_HOROBALL_TYPE',
  });
});
