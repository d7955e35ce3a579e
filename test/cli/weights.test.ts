import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { writeSafetensors } from '../../lib/io/index.ts';
import { vitConfigs } from '../../lib/model/vit.ts';
import { classNames, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

const test = ava as TestFn<{ root: string; images: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, images: join(path, 'images'), remove };
  await writeImages(t.context.images, classNames(32), 5);
});
test.after.always(async (t) => {
  await t.context.remove();
});

/** Returns two lists of options: `network` selects the network and the images, `run` describes a whole run of one epoch. */
function options(path: string, weights: string): { network: string[]; run: string[] } {
  const { model, freeze: _, ...rest } = tinyRun;
  const written = (values: object): string[] =>
    Object.entries(values).map(([key, value]) => `--${key}=${value}`);
  return {
    network: written({ model, weights, path, ds: rest.ds, crop: rest.crop, resize: rest.resize }),
    run: written({ ...rest, model, weights, path, freeze: 'None', ep: 1, eval_ep: '[]', runs: 'None' }),
  };
}

test('train, eval and embed accept partly matching weights only with --partial', async (t) => {
  const { root, images } = t.context;
  const weights = join(root, 'partial.safetensors');
  const width = vitConfigs[tinyRun.model].embedDim;
  await writeSafetensors(weights, { 'norm.weight': { shape: [width], data: new Float32Array(width) } });
  const { network, run } = options(images, weights);
  for (const command of [
    ['train', ...run],
    ['eval', ...network],
    ['embed', ...network, `--out=${join(root, 'embedded.safetensors')}`],
  ]) {
    const refused = await horoball(command);
    t.is(refused.code, 1, refused.stderr);
    t.regex(refused.stderr, /partial\.safetensors: .* the file lacks .*patch_embed.*--partial/);
    const loaded = await horoball([...command, '--partial']);
    t.is(loaded.code, 0, loaded.stderr);
    t.regex(loaded.stderr, /Not in the file, so unchanged: /);
  }
});

test("eval --model without a run prints the recall of a backbone's features", async (t) => {
  const { root, images } = t.context;
  const { network } = options(images, 'None');
  const queries = join(root, 'queries.jsonl');
  const found = await horoball(['eval', ...network, '--json', `--per-query=${queries}`]);
  t.is(found.code, 0, found.stderr);
  const { type, spaces } = JSON.parse(found.stdout) as { type: string; spaces: Record<string, object> };
  t.deepEqual([type, Object.keys(spaces)], ['evaluation', ['body']]);
  t.regex(found.stderr, /^test: 80 images in 16 of the 32 classes\n(.*\n)*Backbone, cosine/m);
  const whole = await horoball(['eval', ...network, '--json', '--split=all']);
  t.like(whole.rows()[0], { pictures: 160, classes: 32 });
  t.regex(whole.stderr, /^all: 160 images of 32 classes$/m);
  t.true((await readFile(queries, 'utf8')).startsWith('{'));
  const fused = await horoball(['eval', ...network, '--fuse=other']);
  t.is(fused.code, 2);
  t.regex(fused.stderr, /fuse: expected no value without a run, got other/);
  const missing = await horoball(['eval', ...options(images, 'nofile.pth').network]);
  t.is(missing.code, 2);
  t.regex(missing.stderr, /\] --weights: expected a file, got 'nofile\.pth', which does not exist\. Check/);
});

const encodings: Record<string, (text: string) => Buffer> = {
  'a byte-order mark': (text) => Buffer.from(`\ufeff${text}`),
  'UTF-16 as PowerShell writes it': (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'big-endian UTF-16': (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
};
for (const [name, encode] of Object.entries(encodings))
  test(`--config, --model and a CSV list with ${name} are read`, async (t) => {
    const { root, images } = t.context;
    const list = join(root, `${name}.csv`);
    const lines = classNames(32).flatMap((label) =>
      [0, 1, 2, 3, 4].map((i) => `${join(images, label, `${i}.jpg`)},${label}`),
    );
    await writeFile(list, encode(['path,label', ...lines].join('\n')));
    const model = join(root, `${name}.json`);
    await writeFile(
      model,
      encode(JSON.stringify({ img_size: 16, patch_size: 8, embed_dim: 24, depth: 1, num_heads: 3 })),
    );
    const config = join(root, `${name}.config.json`);
    const { model: _, ...rest } = tinyRun;
    await writeFile(
      config,
      encode(JSON.stringify({ ...rest, model, ds: 'csv', path: list, ep: 1, eval_ep: '[]', runs: null })),
    );
    const { code, stderr } = await horoball(['train', `--config=${config}`]);
    t.is(code, 0, stderr);
  });
