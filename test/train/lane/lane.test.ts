import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import test from 'ava';

import { HybridLoss } from '../../../lib/train/lane/loss.ts';
import { setThreads, torchInfo } from '../../../lib/train/lane/native.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { embed, randomImages, tinyBatch, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

const options = {
  geometry: 'hybrid',
  tied: true,
  views: 2,
  tauE: 0.1,
  tauH: 0.2,
  lambda: 0.5,
  c: 0.1,
} as const;

test('an error rejects the next promise and names its operation; later calls are skipped, then the lane continues', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 0.1 });
  const before = await model.state();
  using out = embed(model, 4);
  out.body.backward(new Float32Array(4 * tinyViT.embedDim).fill(1));
  out.body.backward(new Float32Array(4 * tinyViT.embedDim).fill(1)); // the graph has been freed
  optimizer.step();
  const expected = { code: 'ERR_HOROBALL_TORCH', message: /^\[tensor\.backward\] [^\n]+$/ };
  await t.throwsAsync(optimizer.gradNorm(), expected);
  t.deepEqual(await model.state(), before, 'the step behind the error was skipped');
  optimizer.step();
  t.notDeepEqual(await model.state(), before, 'the next one was not');
});

test('reading the missing result of a failed operation causes a coded error', async (t) => {
  if (torchInfo().cuda) return t.pass('skipped: there is a CUDA device');
  const { Batch } = await import('../../../lib/train/lane/tensor.ts');
  using model = await tinyEmbedder();
  using batch = Batch.from(randomImages(2), { count: 2, size: 16 }, tinyViT.mean, tinyViT.std, 'cuda');
  using out = model.forward(batch);
  await t.throwsAsync(out.body.data(), { message: /^\[batch\.from\]/ });
  await t.throwsAsync(out.body.data(), { code: 'ERR_HOROBALL_EMPTY', message: /^\[tensor\.data\]/ });
});

test('an aborted signal rejects with its reason and drops the work', async (t) => {
  using model = await tinyEmbedder();
  const controller = new AbortController();
  const reason = new Error('enough');
  using batch = tinyBatch(64);
  for (let i = 0; i < 20; ++i) model.forward(batch).dispose();
  const waiting = model.state({ signal: controller.signal });
  controller.abort(reason);
  t.is(await t.throwsAsync(waiting), reason);
  using dropped = model.forward(batch, { signal: controller.signal });
  t.is(await t.throwsAsync(dropped.body.data({ signal: controller.signal })), reason);
  t.is((await model.state()).size, model.parameters().length);
});

test('a disposed handle is rejected; a second disposal has no effect', async (t) => {
  const model = await tinyEmbedder();
  const out = embed(model, 2);
  const reading = out.body.data();
  out.dispose();
  out.dispose();
  t.is((await reading).length, 2 * tinyViT.embedDim, 'work that was queued earlier still uses it');
  await t.throwsAsync(out.body.data(), { code: 'ERR_HOROBALL_DISPOSED' });
  model.dispose();
  await t.throwsAsync(model.state(), { code: 'ERR_HOROBALL_DISPOSED' });
});

// training.test.ts measures the memory of a process, because this one is shared with other tests.
test.serial('the number and memory of handles stay constant over 500 steps', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-3 });
  const loss = new HybridLoss(options);
  const images = randomImages(8);
  const { Batch } = await import('../../../lib/train/lane/tensor.ts');
  const step = async (): Promise<void> => {
    using batch = Batch.from(images, { count: 8, size: 16 }, tinyViT.mean, tinyViT.std);
    using out = model.forward(batch);
    using value = loss.apply(out);
    optimizer.zeroGrad();
    value.backward();
    optimizer.clipGradNorm(3);
    optimizer.step();
    await value.read();
  };
  for (let i = 0; i < 100; ++i) await step();
  await optimizer.gradNorm();
  const before = memory();
  for (let i = 0; i < 500; ++i) await step();
  await optimizer.gradNorm();
  t.deepEqual(memory(), before);
});

test.serial('runs with the same seed and number of threads are bit-identical', async (t) => {
  const run = async (): Promise<unknown> => {
    using model = await tinyEmbedder({ seed: 11 });
    using optimizer = new AdamW(model, { lr: 1e-2 });
    for (let seed = 0; seed < 5; ++seed) {
      using out = embed(model, 8, seed);
      using value = new HybridLoss(options).apply(out);
      optimizer.zeroGrad();
      value.backward();
      optimizer.step();
    }
    return await model.state();
  };
  setThreads(2);
  const first = await run();
  t.deepEqual(await run(), first);
  setThreads(1);
});

const child = fileURLToPath(new URL('./lane-child.js', import.meta.url));

function outcome(how: string): Promise<{ code: number | string | null; stderr: string }> {
  return new Promise((resolve) => {
    const process_ = spawn(process.execPath, [child, how], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    process_.stderr.on('data', (text) => (stderr += text));
    process_.on('close', (code, signal) => resolve({ code: signal ?? code, stderr }));
  });
}

test('the process exits cleanly when idle, during work, and with an unawaited error', async (t) => {
  t.deepEqual(await outcome('end'), { code: 0, stderr: '' });
  t.deepEqual(await outcome('exit'), { code: 7, stderr: '' });
  t.deepEqual(await outcome('unawaited-error'), { code: 0, stderr: '' });
});

test('workers train concurrently and can be terminated during work', async (t) => {
  const start = (): Promise<[Worker, unknown]> => {
    const worker = new Worker(child, { argv: ['worker'] });
    return new Promise((resolve, reject) => {
      worker.once('message', (message) => resolve([worker, message])).once('error', reject);
    });
  };
  const running = await Promise.all([start(), start()]);
  t.deepEqual(running[0]![1], running[1]![1], 'every worker uses the same seed');
  for (const [worker] of running) t.is(await worker.terminate(), 1);
  using model = await tinyEmbedder();
  t.is((await model.state()).size, model.parameters().length, 'the lane of this thread still works');
});
