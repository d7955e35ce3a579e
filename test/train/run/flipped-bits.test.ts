// A flipped bit in a file that horoball reads back never yields a wrong value.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { readSafetensors } from '../../../lib/io/index.ts';
import { random } from '../../../lib/random.ts';
import { writeExport } from '../../../lib/train/measure/export.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { readRun } from '../../../lib/train/run/read.ts';
import { DiskStore } from '../../../lib/train/run/store.ts';
import { readStudy, StudyFolder } from '../../../lib/train/study/folder.ts';
import { sweep } from '../../../lib/train/study/runner.ts';
import { temporary } from '../data/support.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../fake-run.ts';
import { plan, quick } from '../study/synthetic-study.ts';

/** Flips `count` random bits, one at a time, and calls `check` with the result of reading, unless it is a coded error. */
async function flips<T>(
  file: string,
  count: number,
  read: () => Promise<T>,
  check: (got: T, at: number) => void,
): Promise<{ refused: number }> {
  const sound = await readFile(file);
  const next = random(sound.length);
  let refused = 0;
  for (let i = 0; i < count; i++) {
    const bit = Math.floor(next() * 8 * sound.length);
    const bytes = Buffer.from(sound);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(file, bytes);
    const got = await read().catch((error: Error & { code?: string }) => {
      if (!error.code?.startsWith('ERR_HOROBALL_')) throw error;
      refused++;
      return null;
    });
    if (got !== null) check(got, bit >> 3);
  }
  await writeFile(file, sound);
  return { refused };
}

/** Removes a checksum whose key was changed by the flipped bit. */
function content(value: unknown): unknown {
  const entries = Object.entries(value as object);
  return Object.fromEntries(entries.filter(([, each]) => !/^[\da-f]{8}$/.test(String(each))));
}

interface Lines {
  rows: readonly unknown[];
  invalid?: { count: number } | undefined;
}

/** Whether the rows that were read are among the written ones, and a missing one is reported. */
function isSubset(got: Lines, sound: readonly unknown[], isEnd: boolean): boolean {
  const known = got.rows.every((row) => sound.some((each) => isDeepStrictEqual(each, content(row))));
  // Without its line break, the last line counts as truncated by a kill.
  const reported = got.rows.length === sound.length || (got.invalid?.count ?? 0) > 0 || isEnd;
  return known && reported;
}

test('a flipped bit in a run never changes a value', async (t) => {
  const runs = await temporary(t);
  const store = await DiskStore.create({ ...parseConfig({ name: 'mine' }), runs });
  for (const row of [evaluationRow(0, 0.1), stepRow(1), stepRow(2), fakeHealth, evaluationRow(2, 0.6)])
    store.append(row);
  await store.snapshot(fakeSnapshot());
  await store.flush();
  await store[Symbol.asyncDispose]();
  const sound = await readRun(store.folder);
  t.deepEqual(sound.snapshot, fakeSnapshot());
  t.is(sound.rows.length, 5);
  const log = store.file('metrics.jsonl');
  const { length } = await readFile(log);
  const read = () => readRun(store.folder);
  await flips(log, 400, read, (got, at) =>
    t.true(isSubset(got, sound.rows, at === length - 1), `byte ${at}: ${JSON.stringify(got.invalid)}`),
  );
  const { refused } = await flips(store.file('snapshot.json'), 400, read, (got, at) =>
    t.deepEqual(content(got.snapshot), content(sound.snapshot), `byte ${at}`),
  );
  t.true(refused > 300, `${refused}`);
});

test('a flipped bit in a study never changes a value', async (t) => {
  const path = await temporary(t);
  const folder = await StudyFolder.open(path, plan());
  await sweep(folder, { run: quick });
  const sound = await readStudy(path);
  const results = join(path, 'results.jsonl');
  const { length } = await readFile(results);
  const read = () => readStudy(path);
  await flips(results, 200, read, (got, at) =>
    t.true(
      isSubset({ rows: got.results, invalid: got.invalid }, sound.results, at === length - 1),
      `byte ${at}`,
    ),
  );
  const { refused } = await flips(join(path, 'sweep.json'), 200, read, (got, at) =>
    t.deepEqual(got.plan, sound.plan, `byte ${at}`),
  );
  t.true(refused > 100, `${refused}`);
});

test('a flipped bit in exported embeddings never changes a value', async (t) => {
  const folder = await temporary(t);
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'emb.safetensors');
  const rows = new Float32Array(8).fill(0.5);
  await writeExport(file, {
    ...{ dataset: 'made', split: 'test', classes: ['a'], paths: ['1', '2', '3', '4'], c: 0.1 },
    embedded: {
      ...{ body: rows, euclidean: rows, hyperbolic: rows, bodyWidth: 2, width: 2 },
      ...{ labels: new Int32Array(4), indices: new Int32Array(4) },
    },
  });
  await t.notThrowsAsync(readSafetensors(file));
  const { refused } = await flips(
    file,
    300,
    () => readSafetensors(file),
    () => {},
  );
  t.is(refused, 300);
});

test('a damaged result is reported, and its run is repeated', async (t) => {
  const path = await temporary(t);
  await sweep(await StudyFolder.open(path, plan()), { run: quick });
  const file = join(path, 'results.jsonl');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('"1":0.51', '"1":0.91'));
  const [warnings, repeated]: [string[], string[]] = [[], []];
  await sweep(await StudyFolder.open(path, plan()), {
    run: (config) => {
      repeated.push(config.name!);
      return quick(config);
    },
    onWarning: (text) => warnings.push(text),
  });
  t.deepEqual(warnings, [
    '1 line of results.jsonl is invalid and was skipped (line 1: its checksum is wrong); the previous file is kept as results.jsonl.bak, and runs without a valid result are repeated',
  ]);
  t.is(repeated.length, 1);
  t.is((await readStudy(path)).invalid, undefined);
});
