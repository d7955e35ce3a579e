import test from 'ava';
import {
  binned,
  lineChart,
  smoothed,
  smoothingWindow,
  ticks,
} from '../../../../lib/train/report/charts/chart.ts';

test('ticks are round numbers within the axis', (t) => {
  t.deepEqual(ticks([0, 1]), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  t.deepEqual(ticks([3, 207]), [50, 100, 150, 200]);
  t.deepEqual(ticks([-0.0004, 0.0007]), [0, 0.0005]);
});

test('omits NaN, and draws constant values as a flat line', (t) => {
  const series = { name: 'a', color: 'red', x: [1, 2, 3], y: [5, Number.NaN, 5] };
  const chart = lineChart({ title: 'a', xLabel: 'step', series: [series] }).text;
  const path = /class="line"[^>]*d="([^"]*)"/.exec(chart)![1]!;
  t.notRegex(path, /NaN|Infinity/);
  t.is(path.match(/[ML]/g)!.length, 2);
});

test('draws a constant in the middle, next to its tick', (t) => {
  const chart = (y: number[], options: { yMin?: number; percent?: boolean } = {}): string =>
    lineChart({
      title: 'a',
      xLabel: 'step',
      series: [{ name: 'a', color: 'red', x: [1, 2], y }],
      ...options,
    }).text;
  const labels = (text: string): string[] =>
    [...text.matchAll(/text-anchor="end">([^<]*)<\/text>/g)].map(([, label]) => label!).slice(0, -1);
  const heights = (text: string): number[] =>
    [...text.matchAll(/<path class="dot"[^>]*d="M\S+ ([\d.]+)/g)].map(([, at]) => Number(at));
  t.deepEqual(labels(chart([16.6, 16.6])), ['16.6']);
  t.deepEqual(heights(chart([16.6, 16.6])), [122, 122]);
  t.deepEqual(labels(chart([0.8125, 0.8125 + 1e-16], { percent: true })), ['81.3%']);
  t.deepEqual(labels(chart([0, 0])), ['0']);
  t.deepEqual(labels(chart([0, 0], { yMin: 0 })), ['0', '0.2', '0.4', '0.6', '0.8', '1']);
});

test('integer positions have integer ticks, and a single position is centered', (t) => {
  const labels = (x: number[]): string[] => {
    const series = [{ name: 'a', color: 'red', x, y: x }];
    const { text } = lineChart({ title: 'a', xLabel: 'step', series });
    return [...text.matchAll(/text-anchor="middle">([^<]*)</g)].map(([, label]) => label!);
  };
  t.deepEqual(labels([1, 2, 3]), ['1', '2', '3']);
  t.deepEqual(labels([7]), ['7']);
  t.deepEqual(labels([0.5, 1.5]), ['0.6', '0.8', '1', '1.2', '1.4']);
});

test('binning preserves the mean of both axes, and smoothing preserves a constant', (t) => {
  const x = Array.from({ length: 1000 }, (_, i) => i);
  const few = binned(x, x, 100);
  t.is(few.x.length, 100);
  t.deepEqual(few.x, few.y);
  t.is(few.x[0], 4.5);
  t.deepEqual(smoothed([2, 2, 2, 2], 3), [2, 2, 2, 2]);
  t.deepEqual(smoothed([0, 3, 0], 3), [1.5, 1, 1.5]);
});

/** The path of the first line of a chart. */
const pathOf = (text: string): string => /class="line" stroke="[^"]*" d="([^"]*)"/.exec(text)![1]!;

test('a line breaks at a gap, a point between two gaps is a dot, and the pointer shows measured values only', (t) => {
  const x = [1, 2, 3, 4, 5, 6];
  const y = [1, 2, Number.NaN, 4, Number.NaN, 6];
  const { text } = lineChart({
    title: 'a',
    xLabel: 'b',
    series: [{ name: 'c', color: 'red', x, y }],
    dense: true,
  });
  t.is([...pathOf(text).matchAll(/M/g)].length, 3);
  t.is([...text.matchAll(/<path class="dot"/g)].length, 2);
  const data = JSON.parse(/data-chart="([^"]*)"/.exec(text)![1]!.replaceAll('&quot;', '"'));
  t.deepEqual(
    [data.series[0].x, data.series[0].y],
    [
      [1, 2, 4, 6],
      [1, 2, 4, 6],
    ],
  );
  t.deepEqual([data.series[0].px.length, data.series[0].py.length], [4, 4]);
});

test('a line or chart without values is labeled as not measured', (t) => {
  const x = [1, 2];
  const of = (name: string, y: number[]) => ({ name, color: 'red', x, y });
  const { text } = lineChart({
    title: 'a',
    xLabel: 'b',
    series: [of('one', [1, 2]), of('two', [Number.NaN, Number.NaN])],
  });
  t.regex(text, /two \(not measured\)/);
  t.notRegex(text, /one \(not|NaN/);
  const empty = lineChart({ title: 'a', xLabel: 'b', series: [of('one', [Number.NaN, Infinity])] }).text;
  t.regex(empty, /Not measured\./);
  t.notRegex(empty, /<svg/);
});

test('means ignore gaps, but keep the gaps themselves', (t) => {
  t.deepEqual(binned([1, 2, 3, 4, 5, 6], [1, 3, Number.NaN, Number.NaN, Number.NaN, 6], 3), {
    x: [1.5, 3.5, 5.5],
    y: [2, Number.NaN, 6],
  });
  t.deepEqual(smoothed([1, Number.NaN, 3, 5], 3), [1, Number.NaN, 4, 4]);
});

test('the number of ticks is finite for any domain', (t) => {
  for (const domain of [
    [1e20, 1e20 + 16384],
    [-1e308, 1e308],
    [5e-324, 1e-323],
    [0, Number.POSITIVE_INFINITY],
    [Number.NaN, Number.NaN],
  ] as const) {
    t.true(ticks(domain).length <= 11, `${domain}`);
  }
});

test('the window of the smoothed line has at least one value', (t) => {
  t.deepEqual([1, 9, 20, 100].map(smoothingWindow), [1, 1, 1, 5]);
});
