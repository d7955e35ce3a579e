import test from 'ava';
import { forestPlot } from '../../../../lib/train/report/charts/forest.ts';

const row = (mean: number, low: number, high: number, significant = false) => ({
  name: 'a',
  mean,
  low,
  high,
  significant,
});

test('draws a mean inside its interval, right of zero if and only if it is positive', (t) => {
  for (const [mean, low, high] of [
    [0.02, 0.01, 0.03],
    [-0.02, -0.05, 0.01],
    [0.3, 0.29, 0.5],
  ] as const) {
    const { text } = forestPlot('Differences', [row(mean, low, high)]);
    const number = (pattern: RegExp): number => Number(pattern.exec(text)![1]);
    const zero = number(/class="zero" d="M([\d.]+)/);
    const center = number(/<circle cx="([\d.]+)"/);
    const [, from, to] = /class="line"[^>]*d="M([\d.]+) [\d.]+H([\d.]+)"/.exec(text)!.map(Number);
    t.true(from! < center && center < to!);
    t.is(Math.sign(center - zero), Math.sign(mean));
    t.true(from! > 178 && to! < 460, 'inside the plot');
  }
});

test('only a significant difference is highlighted, and an unmeasured one has no mark', (t) => {
  t.regex(forestPlot('a', [row(0.1, 0.05, 0.2, true)]).text, /fill="var\(--accent\)"/);
  t.notRegex(forestPlot('a', [row(0.1, -0.05, 0.2)]).text, /var\(--accent\)/);
  const { text } = forestPlot('a', [
    row(Number.NaN, Number.NaN, Number.NaN),
    row(0.1, Number.NaN, Number.NaN),
  ]);
  t.notRegex(text, /NaN|class="line"/);
  t.is([...text.matchAll(/<circle/g)].length, 1);
});
