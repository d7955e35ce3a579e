// Files made to harm whoever reads them, given to the commands that read such files: each is refused in one sentence
// that names the file. How long the readers take is measured beside each of them.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { MatWriter } from '../io/mat-writer.ts';
import { picture, writeClasses, writeTree } from '../train/data/support.ts';
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
  const big = await picture(1, 40, 30, 'png');
  big.writeUInt32BE(60_000, 16);
  big.writeUInt32BE(60_000, 20);
  await writeClasses(join(path, 'pictures'), 4, 2);
  await writeFile(join(path, 'pictures', 'class3', 'big.png'), big);
});
test.after.always((t) => t.context.remove());

const files: [name: string, command: (file: string, root: string) => string[], sentence: RegExp][] = [
  ['huge.safetensors', (file) => ['delta', file], /its header claims 1152921504606846976 bytes/],
  ['overlap.safetensors', (file) => ['delta', file], /overlaps another tensor/],
  ['cars', (file) => ['data', 'check', 'Cars', '--path', file], /cars_annos\.mat: .*more than 64 deep/],
  ['columns.csv', (file) => ['data', 'check', 'csv', '--path', file], /more than 1000 columns in row 1/],
];

for (const [name, command, sentence] of files) {
  test(`${name} is refused`, async (t) => {
    const { root } = t.context;
    const { code, stdout, stderr } = await horoball(command(join(root, name), root));
    t.deepEqual([code, stdout], [1, '']);
    t.regex(stderr, sentence);
    t.true(stderr.includes(join(root, name)));
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  });
}

for (const [name, sentence] of [
  [join('test', 'fixtures', 'pth', 'evil.pth'), /is refused: only tensors and plain containers are rebuilt/],
  ['huge.safetensors', /its header claims 1152921504606846976 bytes/],
] as const) {
  test(`${name} as weights is refused, and no run is left`, async (t) => {
    const { root } = t.context;
    const weights = existsSync(name) ? name : join(root, name);
    const runs = join(root, 'runs-refused');
    const tiny = ['--model', join(root, 'model.json'), '--bs', '4', '--crop', '32', '--resize', '32'];
    const data = ['--ds', 'folder', '--path', join(root, 'pictures')];
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

test('a picture of 60,000 x 60,000 is named and counted by both who read it', async (t) => {
  const { root } = t.context;
  const pictures = join(root, 'pictures');
  const checked = await horoball(['data', 'check', 'folder', '--path', pictures, '--decode']);
  t.is(checked.code, 1);
  t.regex(
    checked.stderr,
    /1 picture cannot be read:\n.*big\.png: 60000 x 60000 pixels are more than the 89 million/,
  );
  const tiny = ['--model', join(root, 'model.json'), '--bs', '4', '--crop', '32', '--resize', '32'];
  const evaluated = ['--ep', '1', '--eval_ep', '[1]', '--threads', '1', '--runs', join(root, 'runs')];
  const run = await horoball(['train', '--ds', 'folder', '--path', pictures, ...tiny, ...evaluated]);
  t.is(run.code, 0, run.stderr);
  t.regex(run.stderr, /skipped .*big\.png: 60000 x 60000 pixels/);
  t.regex(run.stderr, /1 picture could not be read/);
});
