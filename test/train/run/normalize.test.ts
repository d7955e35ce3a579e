import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { torchInfo } from '../../../lib/train/lane/native.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { normalizeOptions } from '../../../lib/train/run/normalize.ts';
import { findWeights } from '../../../lib/train/weights/load.ts';
import { temporary, writeTree } from '../data/support.ts';

const vit = { img_size: 32, patch_size: 8, embed_dim: 24, depth: 2, num_heads: 3 };

test('inlines the JSON file of a model', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'vit.json': JSON.stringify(vit, null, 2) });
  const config = parseConfig({ model: join(root, 'vit.json'), weights: null });
  t.is((await normalizeOptions(config)).model, JSON.stringify(vit));
});

test('auto weights become null, with a note if weights could be downloaded', async (t) => {
  const notes: string[] = [];
  const weights = async (model: string): Promise<string | null> =>
    (await normalizeOptions(parseConfig({ model, crop: 224, resize: 224 }), (text) => notes.push(text)))
      .weights;
  t.is(await weights('vit_nano'), null);
  t.is(await weights(JSON.stringify({ ...vit, img_size: 224 })), null);
  t.deepEqual(notes, []);
  t.is(await weights('vit_tiny_patch16_224'), null);
  t.regex(notes[0]!, /random weights.*vit_tiny_patch16_224/);
});

test('weights may be a run, whose backbone must be that of the options', async (t) => {
  const root = await temporary(t);
  const run = join(root, 'run');
  await writeTree(run, {
    'config.json': JSON.stringify(parseConfig({ model: 'vit_nano_32' })),
    'model.safetensors': '',
  });
  const same = parseConfig({ model: 'vit_nano_32', crop: 32, weights: run });
  t.is((await normalizeOptions(same)).weights, run);
  t.is(await findWeights(run), join(run, 'model.safetensors'));
  await t.throwsAsync(normalizeOptions(parseConfig({ weights: run })), {
    code: 'ERR_HOROBALL_CONFIG',
    message:
      /model: expected vit_nano_32, the backbone of the run .*, got vit_nano\. Pass --model vit_nano_32\./,
  });
  await rm(join(run, 'model.safetensors'));
  await t.throwsAsync(findWeights(run), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /expected a run with final weights, .*horoball train --resume /,
  });
});

test('device auto becomes a device of this machine', async (t) => {
  const { device } = await normalizeOptions(parseConfig({ device: 'auto' }));
  t.is(device, torchInfo().cuda ? 'cuda' : 'cpu');
});

for (const [options, code, message] of [
  [{ crop: 20, resize: 20 }, 'CONFIG', /\[eval\] crop: expected a multiple of .*\(8\), got 20/],
  [{ freeze: 5 }, 'CONFIG', /\[eval\] freeze: expected at most .* 4 blocks, got 5/],
  [
    { model: 'resnet50' },
    'OPTION',
    /\[eval\] model: expected the name of a vision transformer, got 'resnet50'/,
  ],
  [{ model: 'none.json' }, 'OPTION', /\[eval\] model: expected a JSON file .* none\.json/],
] as const) {
  test(`${JSON.stringify(options)} is rejected, naming the operation`, async (t) => {
    const config = parseConfig({ weights: null, ...options });
    await t.throwsAsync(normalizeOptions(config, undefined, 'eval'), {
      instanceOf: RangeError,
      code: `ERR_HOROBALL_${code}`,
      message,
    });
  });
}
