import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { random } from '../../../lib/random.ts';
import {
  type EvaluationRow,
  readRun,
  setThreads,
  type TrainResult,
  train,
} from '../../../lib/train/index.ts';
import { temporary, tinyRun } from '../tiny-data.ts';

/** Side of an image in pixels; the loader resizes it. */
const size = 8;

/** Writes the images of a class, which have the same two colors and edge between them, but differ in brightness. */
async function writeClass(folder: string, label: number, images: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const look = random(15, label);
  const colors = Array.from({ length: 6 }, () => 220 * look());
  const edge = 1 + Math.floor((size - 1) * look());
  for (let i = 0; i < images; i++) {
    const bytes = Buffer.alloc(3 * size * size);
    for (let p = 0; p < size * size; p++)
      for (let k = 0; k < 3; k++) bytes[3 * p + k] = colors[(p % size < edge ? 0 : 3) + k]! + 9 * i;
    const image = sharp(bytes, { raw: { width: size, height: size, channels: 3 } });
    await writeFile(join(folder, `${i}.png`), await image.png({ compressionLevel: 1 }).toBuffer());
  }
}

/** Writes a data set of 32 training classes and a given number of test classes. */
async function writeDataset(root: string, testClasses: number, images: number): Promise<void> {
  for (let label = 0; label < 32; label++) await writeClass(join(root, 'train', `t${label}`), label, 4);
  for (let label = 0; label < testClasses; label++)
    await writeClass(join(root, 'test', `c${label}`), 1000 + label, images);
}

interface Trained {
  result: TrainResult;
  warnings: string[];
  page: string;
}

/** Trains with two evaluations, so that every chart has a line. */
async function trained(t: ExecutionContext, testClasses: number, images: number): Promise<Trained> {
  setThreads(1);
  const { path, remove } = await temporary();
  t.teardown(remove);
  const root = join(path, 'images');
  await writeDataset(root, testClasses, images);
  const warnings: string[] = [];
  const began = performance.now();
  const result = await train(
    { ...tinyRun, path: root, runs: join(path, 'runs'), ep: 2, eval_ep: '[1,2]' },
    { onWarning: (text) => void warnings.push(text) },
  );
  t.log(`${testClasses} test classes of ${images}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  t.deepEqual(
    warnings.filter((text) => /drawn/.test(text)),
    [],
  );
  t.is(result.report, join(result.folder!, 'report.html'));
  return { result, warnings, page: await readFile(result.report!, 'utf8') };
}

const last = ({ evaluations }: TrainResult): EvaluationRow => evaluations.at(-1)!;

async function checkMany(t: ExecutionContext, testClasses: number): Promise<void> {
  const { result, page } = await trained(t, testClasses, 2);
  const { alignment, uniformity } = last(result).spread!;
  t.true(alignment > 0 && alignment < 2 && uniformity < 0, `${alignment}, ${uniformity}`);
  t.is(last(result).classes, testClasses);
  t.regex(page, /Alignment and uniformity/);
  t.notRegex(page, /not measured|NaN/);
  t.true(page.length < 2e6, `${page.length} bytes`);
}

test.serial('a run with more test classes than rows in a sample ends with a report', async (t) => {
  await checkMany(t, 900);
});

test.serial('a run with a single test class ends with a report', async (t) => {
  const { result, page } = await trained(t, 1, 3);
  t.is(last(result).spaces.hyperbolic.at['1'], 1);
  t.is((await readRun(result.folder!)).snapshot!.negatives, null);
  t.notRegex(page, /NaN/);
});

test.serial('a run with a single test image reports the values that it could not measure', async (t) => {
  const { result, page } = await trained(t, 1, 1);
  t.deepEqual(last(result).spread, { alignment: Number.NaN, uniformity: Number.NaN });
  t.regex(
    await readFile(join(result.folder!, 'metrics.jsonl'), 'utf8'),
    /"alignment":null,"uniformity":null/,
  );
  t.regex(page, /Alignment and uniformity[^<]*<\/figcaption><p class="note">Not measured/);
  t.notRegex(page, /NaN/);
});

test.serial('a run with 20,000 test classes of two images ends with a report', async (t) => {
  if (process.env['HOROBALL_SLOW'] === undefined) {
    t.log('SKIPPED: takes minutes (HOROBALL_SLOW=1 runs it)');
    return t.pass();
  }
  t.timeout(1_800_000);
  await checkMany(t, 20_000);
});
