import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { section, topics } from '../../../../lib/train/dashboard/sections.ts';
import { LiveState } from '../../../../lib/train/dashboard/state.ts';
import type { Snapshot } from '../../../../lib/train/measure/types.ts';
import { comparisonPage } from '../../../../lib/train/report/run/compare.ts';
import { runPage } from '../../../../lib/train/report/run/page.ts';
import { TensorBoard } from '../../../../lib/train/report/run/tensorboard.ts';
import { studyPage } from '../../../../lib/train/report/study/study.ts';
import { readRun } from '../../../../lib/train/run/read.ts';
import type { HealthRow, Row, RunRecord } from '../../../../lib/train/run/record.ts';
import { readStudy } from '../../../../lib/train/study/folder.ts';
import { studyCsv } from '../../../../lib/train/study/table.ts';
import { evaluationRow, fakeHealth, fakeRun, fakeSnapshot, stepRow } from '../../fake-run.ts';
import { plan, syntheticStudy } from '../../study/synthetic-study.ts';

const folder = await mkdtemp(join(tmpdir(), 'horoball-report-fuzz-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

/** The values that replace a field; `undefined` removes it, and NaN becomes null in JSON. */
const values = [
  null,
  Number.NaN,
  'text',
  '',
  true,
  [],
  {},
  -1,
  0,
  0.5,
  1.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 53,
  undefined,
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The paths of a value and of all fields in it, recursively. */
function placesIn(value: Json, path: string[] = []): string[][] {
  if (value === null || typeof value !== 'object') return [path];
  const inside = Object.entries(value).flatMap(([key, each]) => placesIn(each, [...path, key]));
  return [path, ...inside];
}

/** Returns a copy with the value at one path replaced. */
function changed(value: Json, [key, ...path]: readonly string[], to: unknown): unknown {
  if (key === undefined) return to;
  const copy = structuredClone(value) as Record<string, Json>;
  const inside = changed(copy[key] ?? null, path, to);
  if (inside === undefined && !Array.isArray(copy)) delete copy[key];
  else copy[key] = (inside ?? null) as Json;
  return copy;
}

const health: HealthRow = { ...fakeHealth, scale: 1024, skippedSteps: 1 };

const profile = {
  negatives: 6,
  effective: 4.2,
  hardest1: 0.2,
  hardest10: 0.5,
  sameView: 0.5,
  missed: 0.3,
  byRank: { hardest: [1, 2, 6], sameView: [0.1, 0.2, 0.5], crossView: [0.1, 0.3, 0.5] },
  byCosine: { count: [0.25, 0.75], weight: [0.1, 0.9], pull: [0.1, 0.9] },
};

const wholeSnapshot: Snapshot = {
  ...fakeSnapshot(),
  negatives: {
    own: 'hybrid',
    tied: true,
    views: 2,
    classes: 4,
    cosineBins: 2,
    profiles: [
      { geometry: 'hybrid', ...profile },
      { geometry: 'euclidean', ...profile },
    ],
  },
  ranks: { spearman: 0.9, overlap: 0.8, nearest: 10 },
  depth: [{ level: 'class', groups: 4, mean: 1, min: 0.5, max: 2 }],
};

const rows: Row[] = [
  { ...evaluationRow(0, 0.06), spread: { alignment: 0.8, uniformity: -2 } },
  { ...(stepRow(1) as Row & { type: 'step' }), gradNorm: 1, scale: 1024, t_e: 0.1 },
  { ...(stepRow(2) as Row & { type: 'step' }), gradNorm: 2, scale: 1024, t_e: 0.11 },
  health,
  { ...evaluationRow(2, 0.6), spread: { alignment: 0.7, uniformity: -2.5 } },
];
const config = fakeRun('fuzz').config;

async function write(files: Record<string, unknown>): Promise<void> {
  const text = (name: string, value: unknown): string =>
    name.endsWith('.jsonl')
      ? (value as unknown[]).map((line) => `${JSON.stringify(line) ?? ''}\n`).join('')
      : (JSON.stringify(value) ?? '');
  for (const [name, value] of Object.entries(files)) await writeFile(join(folder, name), text(name, value));
}

/** Returns the result of `make`, or null if it throws a coded error. Any other error fails the test. */
async function orCoded<T>(make: () => Promise<T>): Promise<T | null> {
  try {
    return await make();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code?.startsWith('ERR_HOROBALL_')) return null;
    throw error;
  }
}

/** Text that must not appear in any output: missing numbers, and values that were not formatted. */
const leaked = /NaN|Infinity|undefined|\[object|This part cannot be rendered/;

function sound(page: string): void {
  const shown = page
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/g, '')
    .replace(/<dl class="settings">[\s\S]*?<\/dl>/g, '');
  const found = leaked.exec(shown);
  if (found)
    throw new Error(`the page says ${shown.slice(Math.max(0, found.index - 120), found.index + 40)}`);
}

async function tell(listener: LiveState | TensorBoard, row: Row): Promise<void> {
  if (row.type === 'step') await listener.onStep(row, 2);
  else if (row.type === 'evaluation') await listener.onEvaluation(row);
  else await listener.onHealth(row);
}

/** Passes a run to all of its readers: the report, the comparison and the live page. */
async function readAll(record: RunRecord): Promise<void> {
  sound(runPage(record));
  sound(comparisonPage([record, fakeRun('other')]));
  const live = new LiveState(record.config);
  for (const row of record.rows) await tell(live, row);
  if (record.snapshot) live.onSnapshot(record.snapshot);
  for (const topic of topics) sound(section(topic, live.run).text);
}

/** Changes one or two values of a file, and reads the run. */
async function fuzz(
  whole: Record<string, unknown>,
  file: string,
  read: () => Promise<unknown>,
  runs: number,
): Promise<void> {
  const places = placesIn(whole[file] as Json);
  const change = fc.record({ place: fc.constantFrom(...places), to: fc.constantFrom(...values) });
  const changes = fc.array(change, { minLength: 1, maxLength: 2 });
  const property = fc.asyncProperty(changes, async (list) => {
    let value = whole[file];
    for (const { place, to } of list) {
      const there = placesIn(value as Json).some((each) => each.join() === place.join());
      if (there) value = changed(value as Json, place, to);
    }
    if (file.endsWith('.jsonl') && !Array.isArray(value)) return;
    await write({ ...whole, [file]: value });
    await read();
  });
  await fc.assert(property, { seed: 15, numRuns: runs });
}

const run = { 'config.json': config, 'metrics.jsonl': rows, 'snapshot.json': wholeSnapshot };
const readOne = async (): Promise<void> => {
  const record = await orCoded(() => readRun(folder));
  if (record) await readAll(record);
};

for (const [file, runs] of [
  ['metrics.jsonl', 500],
  ['snapshot.json', 500],
  ['config.json', 300],
] as const) {
  test.serial(
    `for any value of a field of ${file}, every reader renders the run or throws a coded error`,
    async (t) => {
      await fuzz(run, file, readOne, runs);
      t.pass();
    },
  );
}

test.serial(
  'for any single invalid field of a row, the run is rendered and the line is reported',
  async (t) => {
    for (const place of placesIn(rows as unknown as Json).filter(({ length }) => length > 0)) {
      for (const to of values) {
        await write({ ...run, 'metrics.jsonl': changed(rows as unknown as Json, place, to) });
        const record = await readRun(folder);
        await readAll(record);
        const left = record.rows.length + (record.invalid?.count ?? 0);
        if (place.length > 1) t.is(left, rows.length, place.join('.'));
        if (record.invalid)
          t.regex(runPage(record), /1 line of metrics\.jsonl is invalid and was skipped \(line \d/);
      }
    }
  },
);

test.serial('missing and invalid numbers in rows are gaps in TensorBoard', async (t) => {
  const numbers = placesIn(rows as unknown as Json).filter((place) => place.length > 1);
  await write(run);
  const warnings: string[] = [];
  const events = new TensorBoard((text) => void warnings.push(text));
  events.onStore(folder);
  for (const place of numbers) {
    for (const to of [null, undefined, 1e308, -1]) {
      await writeFile(
        join(folder, 'metrics.jsonl'),
        (changed(rows as unknown as Json, place, to) as Json[])
          .map((row) => `${JSON.stringify(row)}\n`)
          .join(''),
      );
      for (const row of (await readRun(folder)).rows) await tell(events, row);
    }
  }
  await events.onHealth({ ...health, radius: { ...health.radius, histogram: [] } });
  await events.onSnapshot(wholeSnapshot);
  await events.onEnd('complete');
  t.deepEqual(warnings, []);
});

test.serial(
  'for any value in sweep.json or results.jsonl, the study is rendered or a coded error is thrown',
  async (t) => {
    const { plan: made, results } = syntheticStudy(1, {}, plan(true));
    const study = { 'sweep.json': made, 'results.jsonl': results.slice(0, 24) };
    await write(study);
    t.is(JSON.stringify((await readStudy(folder)).plan), JSON.stringify(made)); // otherwise the study could not resume
    const read = async (): Promise<void> => {
      const found = await orCoded(() => readStudy(folder));
      if (found === null) return;
      sound(studyPage(found));
      studyCsv(found);
    };
    await fuzz(study, 'results.jsonl', read, 150);
    await fuzz(study, 'sweep.json', read, 150);
    t.pass();
  },
);

test.serial('reads the rows of a log between arbitrary lines', async (t) => {
  await write(run);
  const lines = [
    null,
    3,
    'text',
    [],
    {},
    { type: 'step' },
    { type: 'none', step: 1 },
    { type: 'step', step: -1 },
  ];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const whole = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  await writeFile(join(folder, 'metrics.jsonl'), `${text}{"broken\n${whole}{"type":"st`);
  const record = await readRun(folder);
  t.deepEqual([record.rows.length, record.invalid?.count], [rows.length, lines.length + 1]);
  t.regex(record.invalid!.first, /^line 1: /);
  await readAll(record);
});
