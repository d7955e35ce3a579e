import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Embedder, evaluate, ImageLoader, imageFolder, readRun, train } from '../../../lib/train/index.ts';
import { tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(6);

test.serial('the network of a run gives the embeddings of its last evaluation', async (t) => {
  const { root: path, runs } = t.context;
  const options = {
    ...tinyRun,
    path,
    runs,
    ep: 3,
    eval_ep: '[3]',
    learn: 'hyp_c',
    head: 'hyp-vit' as const,
    clip_r: null,
  };
  const { folder, evaluations } = await train({ ...options, learn_lr: 0.3 });
  using embedder = await Embedder.load(folder!, { device: 'auto' });
  t.not(embedder.c, 0.1, 'the learned curvature');
  const { config } = await readRun(folder!);
  const { test: split } = await imageFolder(config.path);
  const loader = new ImageLoader(split, { size: config.crop, resize: config.resize, mode: 'eval', seed: 1 });
  const { evaluation } = await evaluate(embedder, split, loader);
  t.is(evaluation.spaces.hyperbolic.at['1'], evaluations[0]!.spaces.hyperbolic.at['1']);
  using half = await Embedder.load(folder!, { precision: 'bfloat16' });
  t.is(half.config.precision, 'bfloat16');
});

test.serial(
  'rejects a config.json of a far larger network than the weights before the network is created',
  async (t) => {
    const { root: path, runs } = t.context;
    const { folder } = await train({ ...tinyRun, path, runs, ep: 1, eval_ep: '[]' });
    const file = join(folder!, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    // Two million dimensions took minutes to initialize, and 10^9 pixels did not fit into memory.
    for (const change of [{ emb: 2_000_000 }, { crop: 2 ** 30, resize: 2 ** 30 }]) {
      await writeFile(file, JSON.stringify({ ...config, ...change }));
      await t.throwsAsync(Embedder.load(folder!), {
        code: 'ERR_HOROBALL_WEIGHTS',
        message: /describes \([\d,]{11,} numbers\), got .* with [\d,]+\. Restore config\.json/,
      });
    }
  },
);

test.serial('rejects a run without weights, a folder without a run, and unknown options', async (t) => {
  const { root: path, runs } = t.context;
  const { folder } = await train({ ...tinyRun, path, runs, ep: 1, eval_ep: '[]' });
  await rm(join(folder!, 'model.safetensors'));
  await t.throwsAsync(Embedder.load(folder!), {
    code: 'ERR_HOROBALL_RUN',
    message: /horoball train --resume /,
  });
  await t.throwsAsync(Embedder.load(path), { code: 'ERR_HOROBALL_RUN' });
  await t.throwsAsync(Embedder.load(folder!, { gpu: true } as object), { code: 'ERR_HOROBALL_OPTION' });
  await t.throwsAsync(Embedder.load(1 as never), { code: 'ERR_HOROBALL_TYPE' });
});
