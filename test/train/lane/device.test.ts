// Errors for a missing device and for insufficient memory. The training layer works after them.
import test from 'ava';
import { randomState, torchInfo } from '../../../lib/train/lane/native.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { embed, randomImages, tinyEmbedder, tinyViT } from '../helpers.ts';

const device = torchInfo().cuda ? 'cuda:99' : 'cuda';
const missing = {
  code: 'ERR_HOROBALL_DEVICE',
  message:
    /CUDA device (99 not found: devices are numbered from 0|0 not found: .* Use device 'cpu' or 'auto'\. To use a GPU, .* `LIBTORCH_USE_PYTORCH=1 npx horoball setup`\.$)/,
};

test.afterEach('the lane still works', async (t) => {
  using model = await tinyEmbedder();
  using out = embed(model, 2);
  t.is((await out.body.data()).length, 2 * tinyViT.embedDim);
});

test('networks, batches and generators on a missing device are rejected', async (t) => {
  await t.throwsAsync(tinyEmbedder({ device }), missing);
  using model = await tinyEmbedder();
  using batch = Batch.from(randomImages(2), { count: 2, size: 16 }, tinyViT.mean, tinyViT.std, device);
  using out = model.forward(batch);
  await t.throwsAsync(out.body.data(), missing);
  await t.throwsAsync(randomState(device), missing);
});

test('the error for insufficient memory names the size', async (t) => {
  const bytes = 2 ** 44 * tinyViT.embedDim;
  const message = new RegExp(`^\\[embedder\\.create\\] .*${bytes * 4} bytes`);
  await t.throwsAsync(tinyEmbedder({ dim: 2 ** 44 }), { code: 'ERR_HOROBALL_MEMORY', message });
});
