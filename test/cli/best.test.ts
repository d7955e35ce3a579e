// Commands that use the network of a run also accept the checkpoint of the run's best evaluation.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { readSafetensors, writeSafetensors } from '../../lib/io/index.ts';
import { Embedder, readRun, train } from '../../lib/train/index.ts';
import { stepsOf } from '../../lib/train/run/record.ts';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

const threads = '--threads=1';

test('the best checkpoint is named at the end of a run, and selects its weights', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const images = join(root, 'images');
  await writeImages(images, classNames(32), 3);
  const { freeze: _, ...rest } = { ...tinyRun, bs: 32, path: images, runs: join(root, 'runs'), threads: 1 };
  const trainRun = (options: Record<string, unknown>): ReturnType<typeof horoball> => {
    const all = { ...rest, freeze: 'None', ...options };
    return horoball(['train', ...Object.entries(all).map(([key, value]) => `--${key}=${value}`)]);
  };
  // The learning rate is so low that both evaluations are equal, and the first one counts as the best.
  const trained = await trainRun({ name: 'one', lr: 1e-12, ep: 2, eval_ep: '[1]+[2]' });
  t.is(trained.code, 0, trained.stderr);
  const run = join(root, 'runs', 'one');
  const best = join(run, 'best.safetensors');
  t.regex(
    trained.stderr,
    /\nBest: epoch 1, Recall@1 \d+\.\d%\. To evaluate it: npx horoball eval \S*one\/best\.safetensors; to export it: npx horoball export \S*one\/best\.safetensors\n/,
  );
  const without = await trainRun({
    name: 'two',
    seed: 2,
    lr: 1e-12,
    ep: 2,
    eval_ep: '[1]+[2]',
    save_every: 'None',
  });
  t.notRegex(without.stderr, /Best: /, 'there is no checkpoint');
  const model = join(run, 'model.safetensors');
  const { metadata } = await readSafetensors(model); // without it, the file would be rejected as that of another run
  const { tensors: others } = await readSafetensors(join(root, 'runs', 'two', 'model.safetensors'));
  await writeSafetensors(model, others, { metadata });

  const rows = async (source: string): Promise<ArrayLike<unknown>> => {
    const out = join(root, 'rows.safetensors');
    const embedded = await horoball(['embed', source, '--out', out, threads]);
    t.is(embedded.code, 0, embedded.stderr);
    return (await readSafetensors(out)).tensors.get('hyperbolic')!.data;
  };
  const ofBest = await rows(best);
  const ofFinal = await rows(run);
  t.notDeepEqual(ofFinal, ofBest);
  t.notDeepEqual(await rows(join(run, 'last.safetensors')), ofFinal);
  using loaded = await Embedder.load(best);
  const { tensors } = await readSafetensors(best);
  t.deepEqual(
    (await loaded.state()).get('head.weight')!.data,
    tensors.get('head.weight')!.data as Float32Array,
  );

  const query = join(images, 'class-00', '0.jpg');
  for (const command of [
    ['eval', best, '--save_emb', threads],
    ['search', '--gallery', images, '--run', best, '--k=1', threads, query],
    ['export', best, '--onnx', join(root, 'best.onnx')],
    ['delta', best, '--samples=1', '--size=8', threads],
    [
      'eval',
      '--model=vit_nano',
      `--weights=${best}`,
      '--ds=folder',
      `--path=${images}`,
      '--crop=16',
      threads,
    ],
  ]) {
    const { code, stderr } = await horoball(command);
    t.is(code, 0, stderr);
    const drops = stderr.includes(
      "The file's embedding head is not used. To use it, omit --model and --weights and pass the run (its folder or its best.safetensors); in code, call Embedder.load.\n",
    );
    t.is(drops, command.includes('--model=vit_nano'), stderr);
  }
  const other = await horoball([
    'eval',
    '--model=vit_tiny_patch16_224',
    `--weights=${best}`,
    '--ds=folder',
    `--path=${images}`,
  ]);
  t.regex(
    other.stderr,
    /model: expected vit_nano, the backbone of the run \S+best\.safetensors, got vit_tiny/,
  );
  const narrow = [
    'embed',
    '--model=vit_nano',
    `--weights=${best}`,
    '--ds=folder',
    `--path=${images}`,
    '--crop=16',
  ];
  const refused = await horoball([...narrow, '--out', join(root, 'x.npy'), '--output=cosine']);
  t.regex(refused.stderr, /head\.weight: .*The embedding head of the file has dimension 16: pass --emb 16 /);
});

test('an evaluation uses the learnable temperatures of the weights, unless others are given', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const images = join(root, 'images');
  await writeImages(images, classNames(32), 4);
  // Without clipping and with a low curvature, the Euclidean and the hyperbolic embeddings rank images differently.
  const { folder, evaluations } = await train({
    ...{ ...tinyRun, path: images, runs: join(root, 'runs'), threads: 1, ep: 30, eval_ep: '[30]', lr: 3e-3 },
    ...{ geometry: 'hybrid', head: 'hyp-vit', hyp_c: 0.01, clip_r: null, lam: 1, t_e: 0.05, t_h: 5 },
    ...{ learn: 't_e,t_h', learn_lr: 0.5, learn_range: 100 },
  });
  t.true(stepsOf((await readRun(folder!)).rows).at(-1)!.t_e! > 0.5);
  const fused = async (source: string, ...others: string[]): Promise<unknown> => {
    const { stdout, stderr, code } = await horoball(['eval', source, '--json', threads, ...others]);
    t.is(code, 0, stderr);
    return JSON.parse(stdout).spaces.fused;
  };
  const own = JSON.parse(JSON.stringify(evaluations.at(-1)!.spaces.fused));
  for (const source of [folder!, join(folder!, 'best.safetensors'), join(folder!, 'last.safetensors')])
    t.deepEqual(await fused(source), own, source);
  const euclidean = await fused(folder!, '--t_e=0.001', '--t_h=1000');
  t.notDeepEqual(await fused(folder!, '--t_e=1000', '--t_h=0.001'), euclidean);
});

test('commands note that the data set of a run has changed, unless another one is given', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const images = join(root, 'images');
  await writeImages(images, classNames(32), 4);
  const options = { ...tinyRun, path: images, runs: join(root, 'runs'), threads: 1, ep: 1, eval_ep: '[1]' };
  const { folder } = await train(options);
  const notesOf = async (args: readonly string[]): Promise<string> => {
    const { stderr, code } = await horoball([...args, threads]);
    t.is(code, 0, stderr);
    const lines = stderr.split('\n').filter((line) => line.startsWith('Note: '));
    return lines.join('\n');
  };
  const out = join(root, 'rows.safetensors');
  const commands = [
    ['eval', folder!],
    ['eval', join(folder!, 'best.safetensors'), '--split', 'all'],
    ['embed', folder!, '--out', out],
    ['delta', folder!, '--samples', '1'],
  ];
  for (const command of commands) t.is(await notesOf(command), '', command.join(' '));
  await writeImages(images, ['class-32', 'class-33'], 4); // moves the boundary between training and test classes
  const note = `Note: ${images} is not the data that the run was trained on (train: 64 images in 16 classes, test: 64 images in 16 classes), so test images may belong to training classes.`;
  for (const command of commands) t.is(await notesOf(command), note, command.join(' '));
  t.is(await notesOf(['eval', folder!, '--path', images]), '');
  await rm(join(folder!, 'last.safetensors'));
  t.is(await notesOf(['eval', folder!]), '', 'unknown without a checkpoint');
});
