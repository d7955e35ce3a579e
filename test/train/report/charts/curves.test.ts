import test from 'ava';
import { runStepsSync } from '../../../../lib/call/run.ts';
import {
  gradientChart,
  learnableChart,
  lossChart,
  recallChart,
  spreadChart,
  throughputChart,
  waitChart,
} from '../../../../lib/train/report/charts/curves.ts';
import { runPage } from '../../../../lib/train/report/run/page.ts';
import { evaluationsOf, type Row, type StepRow } from '../../../../lib/train/run/record.ts';
import { parseRows } from '../../../../lib/train/run/run-schema.ts';
import { evaluationRow, fakeRun, stepRow } from '../../fake-run.ts';

const step = (number: number, more: Partial<StepRow> = {}): StepRow => ({
  ...(stepRow(number) as StepRow),
  ...more,
});

interface Drawn {
  series: { name: string; x: number[]; y: number[] }[];
}

/** Returns the data of a chart from which the page's script shows values at the pointer. */
function dataOf(text: string): Drawn {
  const data = /data-chart="([^"]*)"/.exec(text)![1]!.replaceAll('&quot;', '"').replaceAll('&#39;', "'");
  return JSON.parse(data) as Drawn;
}

test('draws a curve only if it has two points', (t) => {
  for (const chart of [lossChart, throughputChart, waitChart, gradientChart, learnableChart])
    t.is(chart([step(1, { t_e: 0.1 })]), null);
  t.is(recallChart([evaluationRow(1, 0.5), step(1)], []), null);
  t.is(spreadChart([{ ...evaluationRow(1, 0.5), spread: { alignment: 1, uniformity: -1 } }]), null);
});

test('a curve of steps has at most 180 points, with nearly the same mean as the steps', (t) => {
  const steps = Array.from({ length: 1000 }, (_, i) => step(i + 1, { waitMs: i % 10 }));
  const { series } = dataOf(waitChart(steps)!.text);
  const [{ x, y }] = series as [Drawn['series'][number]];
  t.true(y.length > 100 && y.length <= 180, `${y.length}`);
  const mean = y.reduce((a, b) => a + b) / y.length;
  t.true(Math.abs(mean - 4.5) < 0.2, `${mean}`);
  t.true(x[0]! >= 1 && x.at(-1)! <= 1000);
});

test('a step whose gradient overflowed becomes a gap', (t) => {
  const norms = [1, 2, null, 4];
  const { text } = gradientChart(
    norms.map((gradNorm, i) => step(i + 1, gradNorm === null ? {} : { gradNorm })),
  )!;
  const [{ x, y }] = dataOf(text).series as [Drawn['series'][number]];
  t.deepEqual(
    [x, y],
    [
      [1, 2, 4],
      [1, 2, 4],
    ],
  );
});

test('draws spaces with equal recall as one line, and baselines as marks', (t) => {
  const row = (epoch: number, at1: number): Row => {
    const made = evaluationRow(epoch, at1);
    return { ...made, spaces: { ...made.spaces, cosine: made.spaces.hyperbolic } };
  };
  const baseline = { name: 'Raw pixels', recall: evaluationRow(0, 0.2).spaces.body };
  const { text } = recallChart([row(1, 0.4), step(1), row(2, 0.6)], [baseline])!;
  t.deepEqual(
    dataOf(text).series.map(({ name }) => name),
    ['Head, hyperbolic distance = Head, cosine', 'Backbone, cosine'],
  );
  t.regex(text, /Raw pixels/);
});

test('learnable scalars are relative to their initial values; a run without them has no chart', (t) => {
  t.is(learnableChart([step(1), step(2)]), null);
  const steps = [0.2, 0.3, 0.1].map((t_h, i) => step(i + 1, { t_h, hyp_c: 1 }));
  const { series } = dataOf(learnableChart(steps)!.text);
  t.deepEqual(
    series.map(({ name, y }) => [name, y.map((value) => Number(value.toPrecision(6)))]),
    [
      ['t_h (initially 0.2)', [1, 1.5, 0.5]],
      ['hyp_c (initially 1)', [1, 1, 1]],
    ],
  );
  const unknown = [Number.NaN, Number.NaN].map((t_e, i) => step(i + 1, { t_e }));
  t.regex(learnableChart(unknown)!.text, /Not measured/);
});

test('unmeasured recall and spread are written as null and drawn as gaps', (t) => {
  const spread = { alignment: Number.NaN, uniformity: -2 };
  const rows: Row[] = [
    { ...evaluationRow(0, 0.1), spread },
    { ...evaluationRow(2, 0.3), spread },
  ];
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  t.true(text.includes('"alignment":null'));
  const read = runStepsSync('readRun', parseRows(text));
  t.is(read.invalid, null);
  t.deepEqual(evaluationsOf(read.rows)[0]!.spread, spread);
  t.regex(spreadChart(read.rows)!.text, /within classes \(not measured\)/);
  t.notRegex(runPage({ ...fakeRun('gaps'), rows: read.rows }), /NaN/);
});
