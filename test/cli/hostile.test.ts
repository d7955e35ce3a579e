// Commands reject malicious files in one sentence that names the file. The tests of the readers measure how long that
// takes.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { MatWriter } from '../io/mat-writer.ts';
import { encodedImage, writeClasses, writeTree } from '../train/data/support.ts';
import { temporary } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

const test = ava as TestFn<{ root: string; remove(): Promise<void> }>;

function safetensors(header: object, bytes: number): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(bytes)]);
}

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, remove };
  const huge = Buffer.alloc(16);
  huge.writeBigUInt64LE(2n ** 60n);
  const at = (begin: number) => ({ dtype: 'F32', shape: [4], data_offsets: [begin, begin + 16] });
  const writer = new MatWriter();
  await writeTree(path, {
    'huge.safetensors': huge,
    'overlap.safetensors': safetensors({ body: at(0), other: at(8) }, 24),
    'cars/cars_annos.mat': writer.around([writer.nested(writer.value(1), 5000)]),
    'columns.csv': `path,label${',x'.repeat(1e6)}\n`,
    'model.json': JSON.stringify({
      img_size: 32,
      patch_size: 16,
      embed_dim: 24,
      depth: 1,
      num_heads: 2,
    }),
  });
  const big = await encodedImage(1, 40, 30, 'png');
  big.writeUInt32BE(60_000, 16);
  big.writeUInt32BE(60_000, 20);
  await writeClasses(join(path, 'images'), 4, 2);
  await writeFile(join(path, 'images', 'class3', 'big.png'), big);
});
test.after.always((t) => t.context.remove());

const files: [name: string, command: (file: string, root: string) => string[], sentence: RegExp][] = [
  [
    'huge.safetensors',
    (file) => ['delta', file],
    /header of 1152921504606846976 bytes, which exceeds the file/,
  ],
  ['overlap.safetensors', (file) => ['delta', file], /overlaps another tensor/],
  [
    'cars',
    (file) => ['data', 'check', 'Cars', '--path', file],
    /cars_annos\.mat: .*more than 64 levels deep/,
  ],
  [
    'columns.csv',
    (file) => ['data', 'check', 'csv', '--path', file],
    /at most 1000 columns, got more in row 1/,
  ],
];

for (const [name, command, sentence] of files) {
  test(`${name} is rejected`, async (t) => {
    const { root } = t.context;
    const { code, stdout, stderr } = await horoball(command(join(root, name), root));
    t.deepEqual([code, stdout], [1, '']);
    t.regex(stderr, sentence);
    t.true(stderr.includes(join(root, name)));
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  });
}

for (const [name, sentence] of [
  [
    join('test', 'fixtures', 'pth', 'evil.pth'),
    /is not allowed: only tensors and plain containers are reconstructed/,
  ],
  ['huge.safetensors', /header of 1152921504606846976 bytes, which exceeds the file/],
] as const) {
  test(`${name} as weights is rejected, and no run folder remains`, async (t) => {
    const { root } = t.context;
    const weights = existsSync(name) ? name : join(root, name);
    const runs = join(root, 'runs-refused');
    const tiny = ['--model', join(root, 'model.json'), '--bs', '4', '--crop', '32', '--resize', '32'];
    const data = ['--ds', 'folder', '--path', join(root, 'images')];
    const { code, stderr } = await horoball([
      'train',
      ...data,
      ...tiny,
      '--weights',
      weights,
      '--runs',
      runs,
    ]);
    t.is(code, 1, stderr);
    t.regex(stderr, sentence);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.false(existsSync(runs));
  });
}

test('data check and training skip, name and count an image of 60,000 x 60,000', async (t) => {
  const { root } = t.context;
  const images = join(root, 'images');
  const checked = await horoball(['data', 'check', 'folder', '--path', images, '--decode']);
  t.is(checked.code, 1);
  t.regex(
    checked.stderr,
    /1 image cannot be read:\n.*big\.png: 60000 x 60000 pixels are more than the maximum of 178956970/,
  );
  const tiny = ['--model', join(root, 'model.json'), '--bs', '4', '--crop', '32', '--resize', '32'];
  const evaluated = ['--ep', '1', '--eval_ep', '[1]', '--threads', '1', '--runs', join(root, 'runs')];
  const run = await horoball(['train', '--ds', 'folder', '--path', images, ...tiny, ...evaluated]);
  t.is(run.code, 0, run.stderr);
  t.regex(run.stderr, /skipped .*big\.png: 60000 x 60000 pixels/);
  t.regex(run.stderr, /1 image could not be read/);
});
