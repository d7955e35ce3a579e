// horoball/embed gives the same embeddings as an evaluation of the training layer, for every kind of input
// and with both runtimes.
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import ava, { type TestFn } from 'ava';
import sharp from 'sharp';
import { type ImageInput, loadEmbedder } from '../../lib/embed/index.ts';
import { readSafetensors, type TensorToWrite, writeSafetensors } from '../../lib/io/index.ts';
import { exportOnnx } from '../../lib/onnx/export.ts';
import { exportOnnxFolder } from '../../lib/onnx/folder.ts';
import { Embedder, embed, ImageLoader, imageFolder, loadWeights } from '../../lib/train/index.ts';
import { networkError } from '../tolerances.ts';
import { relativeError } from '../train/helpers.ts';
import { classNames, temporary, writeImages } from '../train/tiny-data.ts';
import { backbone, model, writeRun } from './network.ts';

interface Context {
  root: string;
  run: string;
  images: string[];
  remove(): Promise<void>;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

const test = ava as TestFn<Context>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  const run = join(path, 'run');
  await writeRun(run);
  await writeImages(join(path, 'images'), classNames(8), 2);
  // Images of several shapes and with transparency, so that the resizing, the crop and the background of the transform
  // matter.
  const wide = sharp({
    create: { width: 61, height: 33, channels: 4, background: { r: 250, g: 40, b: 90, alpha: 0.4 } },
  });
  await wide.png().toFile(join(path, 'images', 'class-00', 'wide.png'));
  const { train, test: tested } = await imageFolder(join(path, 'images'));
  const images = [...train.samples, ...tested.samples].map((sample) => sample.path);
  t.context = { root: path, run, images, remove };
});
test.after.always(async (t) => await t.context.remove?.());

/** The embeddings that the training layer computes for files. */
async function reference(
  run: string,
  paths: readonly string[],
): Promise<{ unit: Float32Array; ball: Float32Array }> {
  const weights = join(run, 'model.safetensors');
  const options = { model: { ...model }, head: 'hyp-vit', dim: 6, clipR: 2.3, c: 0.5, seed: 0 } as const;
  using network = await Embedder.create(options);
  await loadWeights(weights, network);
  const split = { classes: ['any'], samples: paths.map((path) => ({ path, label: 0 })) };
  const loader = new ImageLoader(split, { size: 16, resize: 18, mode: 'eval', seed: 0, background: 'black' });
  const { euclidean, hyperbolic } = await embed(network, split, loader);
  return { unit: euclidean, ball: hyperbolic };
}

test('a run folder, an exported folder and a file give the embeddings of libtorch', async (t) => {
  const { root, run, images } = t.context;
  const { unit, ball } = await reference(run, images);
  const folder = join(root, 'exported');
  await exportOnnxFolder(run, folder);
  const file = join(root, 'one.onnx');
  await exportOnnx(run, file);
  for (const source of [run, folder, file, pathToFileURL(file)]) {
    const embedder = await loadEmbedder(source);
    const got = await embedder.embed(images);
    t.true(relativeError(got.euclidean.data, unit) < networkError.network, String(source));
    t.true(relativeError(got.hyperbolic.data, ball) < networkError.network, String(source));
    t.like(embedder, { dim: 6, c: 0.5, size: 16, space: 'ball', runtime: 'onnxruntime-node' });
    t.deepEqual([got.euclidean.rows, got.euclidean.cols], [images.length, 6]);
    const one = await embedder.embed(images, { space: 'ball' });
    t.deepEqual(one, got.hyperbolic);
    await embedder.dispose();
  }
});

test('a checkpoint of a run gives its own embeddings, with the transform of the run', async (t) => {
  const { root, run, images } = t.context;
  const other = join(root, 'best');
  await cp(run, other, { recursive: true });
  const { tensors, metadata } = await readSafetensors(join(run, 'model.safetensors'));
  const bias = tensors.get('head.bias')!.data as Float32Array;
  bias.forEach((value, i) => {
    bias[i] = -value;
  });
  await writeSafetensors(join(other, 'model.safetensors'), tensors as Map<string, TensorToWrite>, {
    metadata,
  });
  const optimizer = { shape: [1], data: new Float32Array(1) };
  const state = new Map<string, object>([...tensors, ['optimizer/step', optimizer]]) as Map<
    string,
    TensorToWrite
  >;
  const best = join(run, 'best.safetensors');
  await writeSafetensors(best, state, { metadata: { ...metadata, 'horoball.checkpoint': '{}' } });
  const file = join(root, 'best.onnx');
  await exportOnnx(best, file);
  const { unit } = await reference(other, images);
  for (const source of [best, pathToFileURL(best), file]) {
    const embedder = await loadEmbedder(source);
    const { euclidean } = await embedder.embed(images);
    t.true(relativeError(euclidean.data, unit) < networkError.network, String(source));
    await embedder.dispose();
  }
  const alone = join(root, 'alone.safetensors');
  await cp(best, alone);
  await t.throwsAsync(loadEmbedder(alone), {
    code: 'ERR_HOROBALL_RUN',
    message:
      /got \S+alone\.safetensors, which is not a checkpoint next to the config\.json of its run\. Export it/,
  });
});

test('onnxruntime-web gives the same embeddings', async (t) => {
  const { run, images } = t.context;
  const { unit } = await reference(run, images);
  const embedder = await loadEmbedder(run, { runtime: 'onnxruntime-web', threads: 1 });
  t.is(embedder.runtime, 'onnxruntime-web');
  const got = await embedder.embed(images, { space: 'unit' });
  t.true(relativeError(got.data, unit) < networkError.network);
  await embedder.dispose();
});

test('a path, a URL, bytes, a sharp pipeline and pixels of one image give the same embedding', async (t) => {
  const { root, run } = t.context;
  const png = join(root, 'images', 'class-00', 'wide.png');
  const bytes = await readFile(png);
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const inputs: ImageInput[] = [png, pathToFileURL(png), bytes, new Uint8Array(bytes), sharp(bytes)];
  inputs.push({ data, width, height, channels: 4 }, { data: Uint8ClampedArray.from(data), width, height });
  const embedder = await loadEmbedder(run, { warmUp: false });
  const { data: rows } = await embedder.embed(inputs, { space: 'unit' });
  for (let i = 1; i < inputs.length; i++)
    t.deepEqual(rows.subarray(6 * i, 6 * i + 6), rows.subarray(0, 6), `${i}`);
  const gray = { data: new Uint8Array(20 * 30).fill(80), width: 20, height: 30, channels: 1 } as const;
  const rgb = { ...gray, data: new Uint8Array(3 * 20 * 30).fill(80), channels: 3 } as const;
  const same = await embedder.embed([gray, rgb], { space: 'unit' });
  t.deepEqual(same.data.subarray(0, 6), same.data.subarray(6));
  await embedder.dispose();
});

test('a sharp pipeline that throws any value counts as an unreadable image', async (t) => {
  const embedder = await loadEmbedder(t.context.run, { warmUp: false });
  for (const value of [undefined, null, 5, Symbol('any'), Object.create(null) as unknown]) {
    const clone = (): never => {
      throw value;
    };
    const pipeline = { clone, toBuffer: clone, raw: clone } as never;
    await t.throwsAsync(embedder.embed([pipeline]), { code: 'ERR_HOROBALL_PICTURE' });
    const lost: number[] = [];
    await embedder.embed([pipeline], { onUnreadable: (index) => void lost.push(index) });
    t.deepEqual(lost, [0]);
  }
  await embedder.dispose();
});

test('rows do not depend on batches and concurrency; progress is reported; calls may overlap', async (t) => {
  const { run, images } = t.context;
  const embedder = await loadEmbedder(run, { batchSize: 5, concurrency: 2 });
  const said: number[][] = [];
  const onProgress = (done: number, total: number): void => void said.push([done, total]);
  const [whole, single] = await Promise.all([
    embedder.embed(images, { space: 'ball', onProgress }),
    embedder.embed(images, { space: 'ball', batchSize: 1, concurrency: 7 }),
  ]);
  t.true(relativeError(single.data, whole.data) < networkError.order);
  t.deepEqual(said.at(-1), [images.length, images.length]);
  t.is(said.length, Math.ceil(images.length / 5));
  const none = await embedder.embed([]);
  t.deepEqual([none.euclidean.rows, none.hyperbolic.cols], [0, 6]);
  await embedder.dispose();
});

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

test('an image that cannot be read is named; with onUnreadable its row is NaN', async (t) => {
  const { root, run, images } = t.context;
  const bad = join(root, 'bad.jpg');
  await writeFile(bad, 'no image');
  const embedder = await loadEmbedder(run, { maxPixels: 3000 });
  const error = await t.throwsAsync(embedder.embed([images[0]!, bad]));
  t.is(codeOf(error), 'ERR_HOROBALL_PICTURE');
  t.true(error!.message.startsWith(`[embed] images[1] (${bad}) could not be read: `), error!.message);
  const large = { data: new Uint8Array(3 * 3001), width: 3001, height: 1, channels: 3 } as const;
  const lost: number[] = [];
  const inputs = [bad, images[0]!, Buffer.from('neither'), join(root, 'missing.png'), large];
  const { data } = await embedder.embed(inputs, { space: 'unit', onUnreadable: (index) => lost.push(index) });
  t.deepEqual(lost.toSorted(), [0, 2, 3, 4]);
  const finite = Array.from({ length: 5 }, (_, i) => data.subarray(6 * i, 6 * i + 6).every(Number.isFinite));
  t.deepEqual(finite, [false, true, false, false, false]);
  await embedder.dispose();
});

test('onUnreadable may embed another image, however few images are decoded at a time', async (t) => {
  const { run, images } = t.context;
  const embedder = await loadEmbedder(run, { concurrency: 1 });
  const replaced: number[] = [];
  const onUnreadable = async (index: number): Promise<void> => {
    replaced.push((await embedder.embed([images[index]!])).euclidean.rows);
  };
  await embedder.embed([Buffer.from('neither'), Buffer.from('nor')], { onUnreadable });
  t.deepEqual(replaced, [1, 1]);
  const controller = new AbortController();
  const calls: number[] = [];
  const stopped = embedder.embed([Buffer.from('neither'), Buffer.from('nor')], {
    signal: controller.signal,
    onUnreadable: (index, error) => {
      calls.push(index);
      controller.abort(error);
    },
  });
  t.is(codeOf(await t.throwsAsync(stopped)), 'ERR_HOROBALL_PICTURE');
  t.deepEqual(calls, [0]);
  await embedder.dispose();
});

test.serial('calls reject after the thread of the network has crashed', async (t) => {
  const { run, images } = t.context;
  const { postMessage } = Worker.prototype;
  const workers = new Set<Worker>();
  Worker.prototype.postMessage = function (this: Worker, ...args) {
    workers.add(this);
    postMessage.apply(this, args);
  };
  const embedder = await loadEmbedder(run);
  Worker.prototype.postMessage = postMessage;
  await Promise.all([...workers].map((worker) => worker.terminate()));
  for (const list of [images, []])
    t.is(codeOf(await t.throwsAsync(embedder.embed(list))), 'ERR_HOROBALL_CLOSED');
  await embedder.dispose();
});

test('wrong arguments cause errors that name the argument', async (t) => {
  const embedder = await loadEmbedder(t.context.run, { warmUp: false });
  const wrong: [unknown, RegExp][] = [
    ['a.jpg', /^\[embed\] images: expected an array of images, got 'a\.jpg'/],
    [Buffer.alloc(3), /images: expected an array of images/],
    [Object.assign([], { length: 2 ** 32 - 1 }), /images: expected at most 4194304 images/],
    [[7], /images\[0\]: expected a path/],
    [
      [{ data: new Uint8Array(5), width: 2, height: 1 }],
      /images\[0\]\.data: expected 2 x 1 x 4 values, got 5/,
    ],
    [[{ data: new Uint8Array(5), width: 2.5, height: 1 }], /images\[0\]: expected integer width/],
    [['a\0b'], /images\[0\].* could not be read: its path contains a null character/],
    [[new URL('http://host/a.jpg')], /images\[0\]: expected the URL of a file, got 'http:\/\/host\/a\.jpg'/],
    [[new URL('file:///a%00b')], /images\[0\]: expected the URL of a file/],
    [[Object.create(URL.prototype)], /images\[0\]: expected the URL of a file, got an instance of URL/],
  ];
  for (const [images, message] of wrong)
    await t.throwsAsync(embedder.embed(images as ImageInput[]), { message });
  await t.throwsAsync(embedder.embed([], { space: 'flat' as 'unit' }), { message: /space: expected one of/ });
  await t.throwsAsync(loadEmbedder(new URL('http://host/run')), { code: 'ERR_HOROBALL_TYPE' });
  await t.throwsAsync(loadEmbedder('a\0b'), { code: 'ERR_HOROBALL_TYPE' });
  await t.throwsAsync(loadEmbedder(t.context.run, { runtime: 'fs' as 'onnxruntime-web' }), {
    message: /runtime: expected one of/,
  });
  await t.throwsAsync(embedder.embed([], { batchSize: 0 }), {
    message: /batchSize: expected an integer of 1 or more/,
  });
  await embedder.dispose();
});

test('an aborted call rejects with the reason and the next one works; a closed embedder rejects', async (t) => {
  const { run, images } = t.context;
  const embedder = await loadEmbedder(run, { batchSize: 2 });
  const controller = new AbortController();
  const reason = new Error('enough');
  const stopped = embedder.embed(images, {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  t.is(await t.throwsAsync(stopped), reason);
  for (const list of [images, []])
    await t.throwsAsync(embedder.embed(list, { signal: AbortSignal.abort(reason) }), { is: reason });
  t.is((await embedder.embed(images)).euclidean.rows, images.length);
  const pending = embedder.embed(images);
  const rejected = t.throwsAsync(pending);
  await Promise.all([embedder.dispose(), embedder.close(), embedder[Symbol.asyncDispose]()]);
  t.is(codeOf(await rejected), 'ERR_HOROBALL_CLOSED');
  t.is(codeOf(await t.throwsAsync(embedder.embed(images))), 'ERR_HOROBALL_CLOSED');
});

test('a backbone without a head gives unit vectors only', async (t) => {
  const file = join(t.context.root, 'backbone.onnx');
  await exportOnnx(backbone(), file);
  const embedder = await loadEmbedder(file);
  const { data } = await embedder.embed(t.context.images.slice(0, 1), { space: 'unit' });
  t.true(Math.abs(Math.hypot(...data) - 1) < networkError.unit);
  t.is(embedder.dim, model.embedDim);
  const error = await t.throwsAsync(embedder.embed([]));
  t.is(
    error?.message,
    "[embed] space: expected 'unit' because backbone.onnx is a backbone without a head, got 'both'. Pass { space: 'unit' }.",
  );
  t.is(codeOf(t.throws(() => embedder.c)), 'ERR_HOROBALL_OPTION');
  await embedder.dispose();
});

test('falls back to the other runtime, with a warning, if the installed one does not load', async (t) => {
  const packages = join(t.context.root, 'program', 'node_modules');
  const fake = join(packages, 'onnxruntime-node');
  await mkdir(fake, { recursive: true });
  await writeFile(join(fake, 'package.json'), '{"name":"onnxruntime-node","main":"main.js"}');
  await writeFile(
    join(fake, 'main.js'),
    "throw new Error('Error loading shared library ld-linux-x86-64.so.2')",
  );
  await cp(join(root, 'dist'), join(packages, 'horoball', 'dist'), {
    recursive: true,
    filter: (from) => !/\.(map|d\.ts)$|dist.test/.test(from),
  });
  await writeFile(join(packages, 'horoball', 'package.json'), '{"name":"horoball","type":"module"}');
  for (const name of ['onnxruntime-web', 'onnxruntime-common', 'flatbuffers', 'long', 'zod', 'sharp']) {
    await symlink(join(root, 'node_modules', name), join(packages, name), 'junction');
  }
  const code = `const { loadEmbedder } = await import('./node_modules/horoball/dist/lib/embed/index.js');
    console.log((await loadEmbedder(process.argv[1])).runtime);`;
  const args = ['--input-type=module', '-e', code, t.context.run];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: join(packages, '..'),
    timeout: 120_000,
    env: { ...process.env, HOROBALL_CORE: join(root, 'build/Release/core.node') },
  });
  t.is(stdout, 'onnxruntime-web\n');
  t.regex(
    stderr,
    /HoroballWarning: \[loadEmbedder\] onnxruntime-node failed: Error loading shared library .*Using onnxruntime-web/,
  );
});

test('a program exits without closing its embedder', async (t) => {
  const entry = new URL('../../lib/embed/index.js', import.meta.url).href;
  const code = `const { loadEmbedder } = await import('${entry}');
    const embedder = await loadEmbedder(process.argv[1]);
    console.log((await embedder.embed([process.argv[2]])).euclidean.rows);`;
  const args = ['--input-type=module', '-e', code, t.context.run, t.context.images[0]!];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 60_000 });
  t.is(stdout, '1\n');
});

test('transferring and dropping encoded bytes during decoding does not crash', async (t) => {
  const file = new URL('../../lib/embed/index.js', import.meta.url).href;
  const script = `
    import sharp from 'sharp';
    import { loadEmbedder } from ${JSON.stringify(file)};
    const embedder = await loadEmbedder(process.argv[1], { threads: 1, warmUp: false });
    const noise = Buffer.alloc(2500 * 2500 * 3);
    for (let i = 0; i < noise.length; i += 7) noise[i] = (i * 2654435761) >>> 24;
    const raw = { width: 2500, height: 2500, channels: 3 };
    const jpeg = await sharp(noise, { raw }).jpeg().toBuffer();
    const began = performance.now();
    const expected = String((await embedder.embed([jpeg], { space: 'unit' })).data);
    const took = performance.now() - began;
    for (let round = 0; round < 8; round++) {
      const bytes = new Uint8Array(new ArrayBuffer(jpeg.length)); // outside Node's buffer pool, which cannot be transferred
      bytes.set(jpeg);
      const done = embedder.embed([bytes], { space: 'unit' }).catch(({ message }) => ({ data: message }));
      await new Promise((resolve) => setTimeout(resolve, (took * round) / 10));
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      globalThis.gc();
      const others = Array.from({ length: 8 }, () => new Uint8Array(jpeg.length).fill(1));
      const { data } = await done;
      console.log(String(data) === expected || data);
    }
    await embedder.dispose();`;
  const args = ['--expose-gc', '--input-type=module', '-e', script, t.context.run];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  t.deepEqual(stdout.trim().split('\n'), Array(8).fill('true'));
});

/** A sharp pipeline whose input never ends, like a download that stalls. */
function stalled(): ImageInput {
  const pipeline = {
    clone: () => pipeline,
    toColourspace: () => pipeline,
    raw: () => pipeline,
    toBuffer: () => new Promise<never>(() => {}),
  };
  return pipeline;
}

test('aborting ends a call whose pipelines never end, and frees its slots', async (t) => {
  await using embedder = await loadEmbedder(t.context.run, { warmUp: false, batchSize: 20, concurrency: 16 });
  const warnings: Error[] = [];
  const warn = (warning: Error): unknown => warnings.push(warning);
  process.on('warning', warn);
  const reason = new Error('enough');
  for (const count of [1, 80]) {
    const controller = new AbortController();
    const { signal } = controller;
    const call = embedder.embed(
      Array.from({ length: count }, () => stalled()),
      { signal },
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(reason);
    await t.throwsAsync(call, { is: reason });
  }
  t.is((await embedder.embed(t.context.images.slice(0, 2), { space: 'unit' })).rows, 2);
  process.off('warning', warn);
  t.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  );
});

test('the properties of decoded pixels are read once', async (t) => {
  await using embedder = await loadEmbedder(t.context.run, { warmUp: false });
  let reads = 0;
  const image = {
    get data() {
      return reads++ === 0 ? new Uint8Array(4 * 256) : (null as never);
    },
    width: 16,
    height: 16,
  };
  t.is((await embedder.embed([image], { space: 'unit' })).rows, 1);
});
