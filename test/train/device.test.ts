// What the training layer says of a device that is not there and of memory that does not suffice, and that it goes on.
import test from 'ava';
import { randomState, torchInfo } from '../../lib/train/native.ts';
import { Batch } from '../../lib/train/tensor.ts';
import { embed, pictures, tinyEmbedder, tinyViT } from './helpers.ts';

const device = torchInfo().cuda ? 'cuda:99' : 'cuda';
const missing = { code: 'ERR_HOROBALL_DEVICE', message: /there is no CUDA device (0|99): / };

test.afterEach('the lane goes on', async (t) => {
  using model = await tinyEmbedder();
  using out = embed(model, 2);
  t.is((await out.body.data()).length, 2 * tinyViT.embedDim);
});

test('a network, a batch and a generator on a device that is not there', async (t) => {
  await t.throwsAsync(tinyEmbedder({ device }), missing);
  using model = await tinyEmbedder();
  using batch = Batch.from(pictures(2), { count: 2, size: 16 }, tinyViT.mean, tinyViT.std, device);
  using out = model.forward(batch);
  await t.throwsAsync(out.body.data(), missing);
  await t.throwsAsync(randomState(device), missing);
});

test('memory that does not suffice: the error names the size', async (t) => {
  const bytes = 2 ** 44 * tinyViT.embedDim;
  const message = new RegExp(`^\\[embedder\\.create\\] .*${bytes * 4} bytes`);
  await t.throwsAsync(tinyEmbedder({ dim: 2 ** 44 }), { code: 'ERR_HOROBALL_MEMORY', message });
});
