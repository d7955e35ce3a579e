import { copyFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { loadEmbedder } from '../../lib/embed/index.ts';
import { openServed } from '../../lib/embed/source.ts';
import { readSafetensors, type TensorToWrite, writeSafetensors } from '../../lib/io/index.ts';
import { bytesField, messageField } from '../../lib/io/protobuf.ts';
import { exportOnnx } from '../../lib/onnx/export.ts';
import { exportOnnxFolder } from '../../lib/onnx/folder.ts';
import { metadataField, readOnnxMetadata } from '../../lib/onnx/metadata.ts';
import { parseServing, servingKey } from '../../lib/onnx/serving.ts';
import { temporary } from '../train/tiny-data.ts';
import { writeRun } from './network.ts';

interface Sources {
  readonly root: string;
  /** A run folder with a trained network. */
  readonly run: string;
  /** A folder with one image, which is not a source. */
  readonly images: string;
  readonly image: string;
}

/** Writes a folder with a run and an image. */
async function sources(t: ExecutionContext): Promise<Sources> {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const [run, images] = [join(root, 'run'), join(root, 'images')];
  await writeRun(run);
  await mkdir(images);
  const image = join(images, 'red.png');
  await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
    .png()
    .toFile(image);
  return { root, run, images, image };
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

test('a file that an export replaces while it is loaded is not used with the metadata of the earlier one', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  await writeRun(folder);
  const weights = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(weights);
  const create = { width: 16, height: 16, channels: 3, background: 'red' } as const;
  const image = await sharp({ create }).png().toBuffer();
  const embedded = async (file: string): Promise<{ c: number; hyperbolic: string }> => {
    const embedder = await loadEmbedder(file);
    const { hyperbolic } = await embedder.embed([image]);
    await embedder.dispose();
    return { c: embedder.c!, hyperbolic: String([...hyperbolic!.data]) };
  };
  const files = new Map<number, string>();
  const expected = new Map<number, string>();
  for (const c of [0.5, 0.25]) {
    const horoball = JSON.stringify({ ...JSON.parse(metadata['horoball']!), c });
    await writeSafetensors(weights, tensors, { metadata: { horoball } });
    files.set(c, join(folder, `${c}.onnx`));
    await exportOnnx(folder, files.get(c)!);
    expected.set(c, (await embedded(files.get(c)!)).hyperbolic);
  }
  const [file, other] = [join(folder, 'model.onnx'), join(folder, 'other.onnx')];
  await copyFile(files.get(0.5)!, file);
  const served = await openServed(file, undefined);
  t.true(await served.isSame!());
  for (let delay = 0; delay < 100; delay += 10) {
    await copyFile(files.get(0.5)!, file);
    await copyFile(files.get(0.25)!, other);
    const load = embedded(file);
    await sleep(delay);
    await rename(other, file);
    const { c, hyperbolic } = await load;
    t.is(hyperbolic, expected.get(c)!);
  }
  t.false(await served.isSame!());
});

test('invalid sources are rejected in one sentence', async (t) => {
  const { root, run, image, images } = await sources(t);
  const refused = async (source: string, code: string, options = {}): Promise<void> => {
    const error = await t.throwsAsync(loadEmbedder(source, options));
    t.is(codeOf(error), code, `${error}`);
    t.is(error!.message.split('\n').length, 1);
  };
  await refused(images, 'ERR_HOROBALL_RUN');
  await refused(image, 'ERR_HOROBALL_FORMAT');
  const unfinished = join(root, 'unfinished');
  await writeRun(unfinished);
  await rm(join(unfinished, 'model.safetensors'));
  await refused(unfinished, 'ERR_HOROBALL_RUN');
  const folder = join(root, 'small');
  await exportOnnxFolder(run, folder, { storages: ['int8'] });
  await refused(folder, 'ERR_HOROBALL_OPTION', { storage: 'fp32' });
  const whole = await readFile(join(folder, 'onnx/model_quantized.onnx'));
  const cut = join(root, 'cut.onnx');
  for (const length of [0, 1, 100, whole.length - 10]) {
    await writeFile(cut, whole.subarray(0, length));
    await refused(cut, 'ERR_HOROBALL_FORMAT');
  }
  const broken = Buffer.from(whole);
  broken.fill(0xff, 200, 400); // changes bytes of the graph, but not the length
  await writeFile(cut, broken);
  await refused(cut, 'ERR_HOROBALL_FORMAT'); // the checksum is wrong
  await writeFile(cut, broken.subarray(0, whole.lastIndexOf('horoball.crc32') - 4)); // without the checksum
  await refused(cut, 'ERR_HOROBALL_RUNTIME');
});

test('a source without a network is an error that says what was expected and where', async (t) => {
  const { root, run, image, images } = await sources(t);
  const expected =
    '[loadEmbedder] source: expected a run folder, a checkpoint in it, an exported folder or an ONNX file, got ';
  const message = async (source: string): Promise<string> => {
    const error = await t.throwsAsync(loadEmbedder(source), { code: 'ERR_HOROBALL_RUN' });
    return error!.message;
  };
  const missing = relative(process.cwd(), join(root, 'typo'));
  t.is(await message(missing), `${expected}${resolve(missing)}, which does not exist. Check the path.`);
  const below = join(image, 'run'); // a part of this path is a file
  t.is(await message(below), `${expected}${below}, which does not exist. Check the path.`);
  const files = 'onnx/model.onnx, onnx/model_fp16.onnx, onnx/model_quantized.onnx, model.safetensors';
  t.is(
    await message(images),
    `${expected}${images}, but neither ${images} nor ${join(images, 'export')} contains any of ${files}. Train a network, or export one with: npx horoball export`,
  );
  const partial = join(root, 'partial');
  await cp(run, partial, { recursive: true });
  await rm(join(partial, 'config.json'));
  t.is(
    await message(partial),
    `${expected}${partial}, which has no config.json. Pass a folder that horoball train wrote.`,
  );
  await writeRun(partial);
  await rm(join(partial, 'model.safetensors'));
  t.regex(
    await message(partial),
    /^\[loadEmbedder\] source: expected a run with final weights, got .* without model\.safetensors/,
  );
});

test('rejects metadata and weights that do not fit the network', async (t) => {
  const { root, run, image } = await sources(t);
  const file = join(root, 'changed.onnx');
  await exportOnnx(run, file);
  const whole = await readFile(file);
  const bytes = whole.subarray(0, whole.lastIndexOf('horoball.crc32') - 4); // without the checksum
  const at = bytes.indexOf('"dim":6', bytes.indexOf('"maxPixels"'));
  for (const dim of [5, 9]) {
    bytes.write(`"dim":${dim}`, at);
    await writeFile(file, bytes);
    const expected = {
      code: 'ERR_HOROBALL_FORMAT',
      message: /dimension \d \(horoball.embed.dim in its metadata\), got 6/,
    };
    await t.throwsAsync(loadEmbedder(file), expected);
    const embedder = await loadEmbedder(file, { warmUp: false });
    await t.throwsAsync(embedder.embed([image]), expected);
    await embedder.dispose();
  }
  const copy = join(root, 'changed');
  await cp(run, copy, { recursive: true });
  const weights = join(copy, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(weights);
  const network = JSON.parse(metadata['horoball']!);
  const write = async (changed: object, more: Record<string, TensorToWrite> = {}): Promise<void> =>
    await writeSafetensors(weights, new Map([...tensors, ...Object.entries(more)]), {
      metadata: { horoball: JSON.stringify({ ...network, ...changed }) },
    });
  const other = { code: 'ERR_HOROBALL_WEIGHTS', message: /of shape \[.*\], got \[.*\] in .*Save/ };
  await write({ dim: 9 });
  await t.throwsAsync(loadEmbedder(copy), other);
  await write({}, { pos_embed: { shape: [1, 1, 24], data: new Float32Array(24) } }); // ONNX would broadcast it to all positions
  await t.throwsAsync(loadEmbedder(copy), other);
  await write({ model: { ...network.model, imgSize: 8e6, posEmbed: false } });
  await t.throwsAsync(loadEmbedder(copy), { code: 'ERR_HOROBALL_FORMAT', message: /size is invalid/ });
  await write({});
  await (await loadEmbedder(copy)).close();
});

test('rejects metadata and weights with which embeddings are not finite', async (t) => {
  const { root, run, image } = await sources(t);
  const file = join(root, 'changed.onnx');
  await exportOnnx(run, file);
  const text = (await readOnnxMetadata(file)).get(servingKey)!;
  const serving = JSON.parse(text);
  t.deepEqual(parseServing(text, file), serving);
  t.is(parseServing(JSON.stringify({ ...serving, c: null }), file).c, null);
  for (const [changed, problem] of [
    [JSON.stringify({ ...serving, std: [1e-99, 1, 1] }), /std is invalid/],
    [JSON.stringify({ ...serving, mean: [0, 1e99, 0] }), /std is invalid/],
    [JSON.stringify({ ...serving, c: 1e37 }), /c is invalid/],
    [JSON.stringify({ ...serving, c: 5e-324 }), /c is invalid/],
    [text.replace('"c":', '"c":1,"c":'), /horoball\.embed has a repeated key/],
    ['null', /version is invalid/],
  ] as const)
    t.throws(() => parseServing(changed, file), { code: 'ERR_HOROBALL_FORMAT', message: problem }, changed);
  const whole = await readFile(file);
  const bytes = whole.subarray(0, whole.lastIndexOf('horoball.crc32') - 4); // without the checksum
  const entry = messageField(metadataField, bytesField(1, servingKey), bytesField(2, text));
  await writeFile(file, Buffer.concat([bytes, entry]));
  await t.throwsAsync(loadEmbedder(file), { code: 'ERR_HOROBALL_FORMAT', message: /has a repeated key/ });

  const weights = join(run, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(weights);
  const huge = { shape: [6, 24], data: new Float32Array(6 * 24).fill(3e38) };
  await writeSafetensors(weights, new Map<string, TensorToWrite>([...tensors, ['head.weight', huge]]), {
    metadata,
  });
  const embedder = await loadEmbedder(run, { warmUp: false });
  const expected = {
    code: 'ERR_HOROBALL_FORMAT',
    message: /expected finite embeddings, got (NaN|-?Infinity)/,
  };
  await t.throwsAsync(embedder.embed([image]), expected);
  await embedder.dispose();
});
