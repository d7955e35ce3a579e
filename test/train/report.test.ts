import test from 'ava';
import type { Geometry } from '../../lib/train/config.ts';
import type { Row, RunRecord } from '../../lib/train/record.ts';
import { binned, lineChart, smoothed, ticks } from '../../lib/train/report/chart.ts';
import { classColours, coloursOf, geometryColours } from '../../lib/train/report/colour.ts';
import { comparisonPage } from '../../lib/train/report/compare.ts';
import { contrast, heatLuminance } from '../../lib/train/report/contrast.ts';
import { diskFigure } from '../../lib/train/report/disk.ts';
import { heatMap } from '../../lib/train/report/heat.ts';
import { html } from '../../lib/train/report/html.ts';
import { duration, runPage } from '../../lib/train/report/page.ts';
import { projectToDisk } from '../../lib/train/report/projection.ts';
import { studyPage } from '../../lib/train/report/study.ts';
import { verdictText } from '../../lib/train/report/study-words.ts';
import { percent } from '../../lib/train/report/tables.ts';
import { analyse } from '../../lib/train/sweep/analyse.ts';
import type { Cell } from '../../lib/train/sweep/plan.ts';
import { evaluationRow, fakeRun, fakeSnapshot, stepRow } from './fake-run.ts';
import { madeUp, plan, result, seeds } from './sweep/made-up.ts';

/** Attributes that would make a browser fetch something. */
const fetching = /(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|<link/i;

test('values are escaped, HTML is not, and nothing is nothing', (t) => {
  t.is(
    html`<i>${'<&>"'}${"'"}</i>${null}${[1, html`<b></b>`]}`.text,
    '<i>&lt;&amp;&gt;&quot;&#39;</i>1<b></b>',
  );
});

test('a report is one file that fetches nothing', (t) => {
  const page = runPage(fakeRun('run-1'));
  t.notRegex(page, fetching);
  t.true(page.startsWith('<!doctype html>'));
});

test('a report shows the recall, the curves, every point of the disk and the gallery', (t) => {
  const page = runPage(fakeRun('run-1'));
  t.regex(page, /<td class="bar"[^>]*>60\.0<\/td>/);
  t.regex(page, /Untrained network, head/);
  t.regex(page, /Raw pixels/);
  t.is([...page.matchAll(/data-class="/g)].length, 8);
  t.regex(page, /data-family="birds"/);
  t.regex(page, /title="lark, y, birds \(another class\)"/);
  t.is([...page.matchAll(/<svg [^>]*data-chart/g)].length, 2);
  t.regex(page, /class="miss"/);
});

test('names from the data set cannot become HTML or end a script', (t) => {
  const run = fakeRun('run-1');
  run.snapshot!.classes[1] = '</script><img src=x onerror=alert(1)>';
  const page = runPage(run);
  t.false(page.includes('<b>&"owl"'));
  t.false(page.includes('<img src=x'));
  t.is([...page.matchAll(/<script/g)].length, [...page.matchAll(/<\/script>/g)].length);
});

test('what a run lacks is left out', (t) => {
  const bare = { ...fakeRun('run-1'), rows: [], snapshot: null };
  const page = runPage(bare);
  t.notRegex(page, /NaN|undefined|Infinity|Recall on unseen|Poincaré disk/);
  t.notRegex(comparisonPage([bare, bare]), /NaN|undefined|Infinity/);
});

test('a stopped run says so, and of which moment its figures are', (t) => {
  const full = fakeRun('run-1', { ep: 4 });
  const whole = runPage(full);
  t.regex(whole, /on shapes, 4 steps of 128 pictures/);
  t.notRegex(whole, /\d of \d+ steps|went on to/);
  t.regex(whole, /<span>Recall@1 on unseen classes after epoch 4, %/);
  const rows = [...full.rows.slice(0, 3), evaluationRow(2, 0.6), ...full.rows.slice(3, 4)];
  const stopped = runPage({ ...full, rows });
  t.regex(stopped, /on shapes, 3 of 4 steps of 128 pictures/);
  t.regex(stopped, /<span>Recall@1 on unseen classes after epoch 2, %/);
  t.regex(stopped, /<h2>Recall on unseen classes after epoch 2</);
  t.regex(stopped, /The figures are of step 2; the run went on to step 3\./);
  t.regex(runPage({ ...full, rows: rows.slice(0, 2) }), /<h2>Recall on unseen classes before training</);
});

test('a report names the best of several evaluations where it is not the last', (t) => {
  const run = (...recalls: number[]): string => {
    const rows = recalls.map((at1, epoch) => evaluationRow(epoch, at1));
    return runPage({ ...fakeRun('run-1', { geometry: 'euclidean' }), rows });
  };
  t.regex(
    run(0.1, 0.5, 0.7, 0.7, 0.6),
    /The best evaluation was that after epoch 2: Recall@1 69\.0 % by cosine; best\.safetensors keeps/,
  );
  for (const page of [run(0.1, 0.5, 0.6), run(0.7, 0.6), run(0.7)]) t.notRegex(page, /best evaluation/);
});

test('a run without an evaluation says so, and when there will be one if that is known', (t) => {
  const words = (rows: Row[], options: Record<string, unknown> = {}): string | undefined => {
    const run = { ...fakeRun('run-1', { ep: 40, ...options }), rows, snapshot: null };
    return /<p class="note">(Not evaluated.*?)<\/p>/.exec(runPage(run))?.[1];
  };
  const yet = 'Not evaluated yet: the first evaluation is after epoch 40.';
  t.is(words([stepRow(1)]), yet);
  t.is(words([stepRow(1), stepRow(2)]), yet);
  t.is(words([]), yet);
  t.is(words([], { eval_ep: '[50,30,7,0]' }), yet.replace('40', '7'));
  t.is(words([stepRow(1)], { eval_ep: '[]' }), 'Not evaluated: eval_ep is [].');
  t.is(words([1, 2, 3, 4].map(stepRow), { ep: 4 }), 'Not evaluated.');
  t.is(words([stepRow(1), evaluationRow(1, 0.5)]), undefined);
  const slow = { ...stepRow(1), imagesPerSecond: 0.9 } as Row;
  const page = runPage({ ...fakeRun('run-1'), rows: [slow] });
  t.regex(page, /on shapes, 1 step of 128 pictures/);
  t.regex(page, /<b>1<\/b><span>picture a second/);
});

test('a geometry has one colour on every page, and what is none has another', (t) => {
  const { hybrid, euclidean, hyperbolic } = geometryColours;
  t.is(new Set(Object.values(geometryColours)).size, 4);
  t.deepEqual(coloursOf(['euclidean', 'hyperbolic', 'hybrid']), [euclidean, hyperbolic, hybrid]);
  t.is(new Set(coloursOf(['slope-matched', ...Object.keys(geometryColours), 'hard negatives'])).size, 6);
  const twice = coloursOf([
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
  ]);
  t.is(twice[0], hyperbolic);
  t.is(new Set(twice).size, 6);
  // Legends of the pages themselves.
  const coloured = (page: string): string[][] =>
    [...page.matchAll(/background:(var\(--line-\d\))"><\/i>(\w+)</g)].map(([, colour, name]) => [
      name!,
      colour!,
    ]);
  const pages = [
    studyPage(madeUp(1)),
    comparisonPage(['euclidean', 'hybrid'].map((geometry) => fakeRun(geometry, { geometry }))),
  ];
  for (const page of pages) {
    const legends = coloured(page);
    t.true(legends.length >= 2);
    for (const [name, colour] of legends) t.is(colour, geometryColours[name as Geometry], name);
  }
});

test('distances on the disk are written where they do not run into each other; every circle is drawn', (t) => {
  for (const c of [0.01, 0.1, 1, 5]) {
    const snapshot = fakeSnapshot();
    const points = snapshot.disk.points.with(0, 0.9);
    const { text } = diskFigure({ ...snapshot, disk: { ...snapshot.disk, c, points } });
    const heights = [...text.matchAll(/class="ringed" x="0" y="-([\d.]+)"/g)].map(([, y]) => Number(y));
    t.true(heights.length >= 2);
    for (const [i, height] of heights.slice(1).entries()) t.true(height - heights[i]! >= 1.5 * 24 - 0.1);
    const circles = [...text.matchAll(/class="ring" r="([\d.]+)"/g)].map(([, r]) => Number(r));
    t.true(circles.length > heights.length && circles.at(-1)! > 0.9 * 300, `${circles}`);
  }
});

test('every cell of a heat map can be read, in light and in dark', (t) => {
  t.is(contrast(0, 1), 21);
  const values = Array.from({ length: 201 }, (_, i) => i / 200);
  const { text } = heatMap('a', { name: 'b', values }, [{ name: 'c', values }]);
  const cells = [...text.matchAll(/--heat:([\d.]+);--ink-light:(#\w+);--ink-dark:(#\w+)/g)];
  t.is(cells.length, values.length);
  for (const [, share, light, dark] of cells) {
    for (const [scheme, ink] of [
      ['light', light],
      ['dark', dark],
    ] as const) {
      const found = contrast(heatLuminance(Number(share), scheme), ink === '#fff' ? 1 : 0);
      t.true(found >= 4.5, `${ink} on ${share} in ${scheme}: ${found}`);
    }
  }
});

test('runs stand side by side, with the settings that differ and no others', (t) => {
  const idle = {
    save_every: 1,
    baselines: true,
    eval_ep: '[7]',
    workers: 9,
    threads: 3,
    save_emb: true,
    cache: 'memory',
  };
  const page = comparisonPage([
    fakeRun('one', { geometry: 'hybrid' }),
    fakeRun('two', { geometry: 'chordal', lr: 0.5, ...idle }),
  ]);
  t.notRegex(page, fetching);
  const settings = page.slice(page.indexOf('Settings that differ'));
  t.regex(settings, /geometry.*hybrid.*chordal/s);
  t.regex(settings, /<th scope="row">lr<\/th>/);
  t.notRegex(settings, /hyp_c/);
  for (const name of Object.keys(idle)) t.false(settings.includes(`>${name}<`), name);
  t.is([...page.matchAll(/class="rim|class="lens/g)].length, 2 + 2); // each disk and, seen by a lens, its inset
});

test('ticks are round numbers inside the axis', (t) => {
  t.deepEqual(ticks([0, 1]), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  t.deepEqual(ticks([3, 207]), [50, 100, 150, 200]);
  t.deepEqual(ticks([-0.0004, 0.0007]), [0, 0.0005]);
});

test('a chart leaves out what is not a number and survives a flat line', (t) => {
  const series = { name: 'a', colour: 'red', x: [1, 2, 3], y: [5, Number.NaN, 5] };
  const chart = lineChart({ title: 'a', xLabel: 'step', series: [series] }).text;
  const path = /class="line"[^>]*d="([^"]*)"/.exec(chart)![1]!;
  t.notRegex(path, /NaN|Infinity/);
  t.is(path.match(/[ML]/g)!.length, 2);
});

test('a constant is drawn in the middle beside its own tick', (t) => {
  const chart = (y: number[], options: { yMin?: number; percent?: boolean } = {}): string =>
    lineChart({
      title: 'a',
      xLabel: 'step',
      series: [{ name: 'a', colour: 'red', x: [1, 2], y }],
      ...options,
    }).text;
  const labels = (text: string): string[] =>
    [...text.matchAll(/text-anchor="end">([^<]*)<\/text>/g)].map(([, label]) => label!).slice(0, -1);
  const heights = (text: string): number[] =>
    [...text.matchAll(/<circle class="dot"[^>]*cy="([^"]*)"/g)].map(([, at]) => Number(at));
  t.deepEqual(labels(chart([16.6, 16.6])), ['16.6']);
  t.deepEqual(heights(chart([16.6, 16.6])), [122, 122]);
  t.deepEqual(labels(chart([0.8125, 0.8125 + 1e-16], { percent: true })), ['81.3%']);
  t.deepEqual(labels(chart([0, 0])), ['0']);
  t.deepEqual(labels(chart([0, 0], { yMin: 0 })), ['0', '0.2', '0.4', '0.6', '0.8', '1']);
});

test('whole places have whole ticks, and one place stands in the middle', (t) => {
  const labels = (x: number[]): string[] => {
    const series = [{ name: 'a', colour: 'red', x, y: x }];
    const { text } = lineChart({ title: 'a', xLabel: 'step', series });
    return [...text.matchAll(/text-anchor="middle">([^<]*)</g)].map(([, label]) => label!);
  };
  t.deepEqual(labels([1, 2, 3]), ['1', '2', '3']);
  t.deepEqual(labels([7]), ['7']);
  t.deepEqual(labels([0.5, 1.5]), ['0.6', '0.8', '1', '1.2', '1.4']);
});

test('a comparison draws the losses of short runs as they are, and says which it smooths', (t) => {
  const run = (name: string, steps: number): RunRecord => {
    const rows = Array.from({ length: steps }, (_, i) => stepRow(i + 1));
    return { ...fakeRun(name), rows: rows.map((row, i) => ({ ...row, loss: i % 2 ? 14 : 17 })) as Row[] };
  };
  const short = comparisonPage([run('one', 3), run('dot', 1)]);
  t.regex(short, /<figcaption>Loss<\/figcaption>/);
  t.regex(short, /&quot;y&quot;:\[17,14,17\]/);
  t.is([...short.matchAll(/<circle class="dot"/g)].length, 3 + 1);
  t.regex(short, /<\/i>dot<\/li>/);
  t.regex(comparisonPage([run('one', 3), run('long', 100)]), /<figcaption>Loss, long runs smoothed</);
  t.regex(comparisonPage([run('more', 90), run('long', 100)]), /<figcaption>Loss, smoothed</);
});

test('a comparison has a row for a run without an evaluation', (t) => {
  const bare = { ...fakeRun('bare'), rows: [stepRow(1)] };
  const page = comparisonPage([bare, fakeRun('one')]);
  t.regex(page, /<th scope="row">Not evaluated: bare<\/th>(<td>–<\/td>){6}<\/tr>/); // R@1 to R@8, genus, family
  t.notRegex(page, /NaN/);
  t.regex(comparisonPage([bare, bare]), /None of the runs was evaluated/);
});

test('a study says that a tie is one', (t) => {
  const verdict = (score: (cell: Cell) => number): string => {
    const { cells } = plan();
    const results = cells.flatMap((cell) => seeds.map((seed) => result(cell.id, seed, score(cell))));
    return verdictText(analyse({ name: 'tie', plan: plan(), results }));
  };
  const none = 'No difference between the geometries is larger than chance would make it.';
  const { length } = plan().cells;
  t.is(
    verdict(() => 0.8125),
    `A tie: all ${length} settings reach 81.3 %. ${none}`,
  );
  t.regex(
    verdict(({ config }) => (config.t_e === 0.1 || config.t_h === 0.1 ? 0.8 : 0.7)),
    /^A tie: \w+(, \w+)* and \w+ reach 80\.0 %\./,
  );
  t.regex(
    verdict(({ arm }) => (arm === 'hyperbolic' ? 0.8 : 0.7)),
    /^Highest: hyperbolic, 80\.0 % at t_h 0\.05, in a tie with 2 more of its settings\./,
  );
});

test('a study says how far to trust the intervals of its number of seeds', (t) => {
  const page = (count: number): string => {
    const made = madeUp(1);
    const some = Array.from({ length: count }, (_, i) => i + 1);
    return studyPage({ ...made, plan: { ...made.plan, seeds: some } });
  };
  const five = /with five seeds it holds the truth 92 times of 100/;
  const rough = /of fewer than five seeds an interval is a rough one/;
  t.regex(page(5), five);
  for (const count of [1, 2, 3, 4, 6, 12]) t.notRegex(page(count), five);
  for (const count of [2, 3, 4]) t.regex(page(count), rough);
  for (const count of [1, 5, 6]) t.notRegex(page(count), rough);
});

test('binning keeps the mean of both axes; smoothing keeps a constant', (t) => {
  const x = Array.from({ length: 1000 }, (_, i) => i);
  const few = binned(x, x, 100);
  t.is(few.x.length, 100);
  t.deepEqual(few.x, few.y);
  t.is(few.x[0], 4.5);
  t.deepEqual(smoothed([2, 2, 2, 2], 3), [2, 2, 2, 2]);
  t.deepEqual(smoothed([0, 3, 0], 3), [1.5, 1, 1.5]);
});

test('classes of a family share their hue, families do not', (t) => {
  const classes = ['a/x/1', 'a/y/2', 'b/x/3'];
  const parents = [
    ['a/x', 'a'],
    ['a/y', 'a'],
    ['b/x', 'b'],
  ];
  const hue = (colour: string): string => /([\d.]+)\)$/.exec(colour)![1]!;
  const [first, second, third] = classColours({ classes, parents }).map(hue);
  t.is(first, second);
  t.not(first, third);
  t.is(new Set(classColours({ classes, parents })).size, 3);
});

test('points in a plane through the origin keep their distances from it and from each other', async (t) => {
  // Three coordinates, the third always 0: the two principal directions span the plane of the others.
  const c = 0.7;
  const flat = [0.9, 0.1, -0.5, 0.6, 0.2, -0.8, -0.3, -0.3, 0.05, 0.4];
  const ball = flat.flatMap((value, i) => (i % 2 === 0 ? [value, flat[i + 1]!, 0] : []));
  const { points, explained } = await projectToDisk(ball, 5, 3, c);
  for (let i = 0; i < 5; i++) {
    const radius = Math.hypot(points[2 * i]!, points[2 * i + 1]!);
    t.true(Math.abs(radius - Math.sqrt(c) * Math.hypot(flat[2 * i]!, flat[2 * i + 1]!)) < 1e-9);
    for (let j = 0; j < i; j++) {
      const shown = Math.hypot(points[2 * i]! - points[2 * j]!, points[2 * i + 1]! - points[2 * j + 1]!);
      const meant =
        Math.sqrt(c) * Math.hypot(flat[2 * i]! - flat[2 * j]!, flat[2 * i + 1]! - flat[2 * j + 1]!);
      t.true(Math.abs(shown - meant) < 1e-9);
    }
  }
  t.true(Math.abs(explained[0] + explained[1] - 1) < 1e-9);
  t.true(explained[0] >= explained[1]);
});

test('the disk finds the directions of largest variance', async (t) => {
  const rows = 400;
  const spread = [0.5, 3, 0.2, 1.5];
  const tangent = Array.from(
    { length: rows * 4 },
    (_, i) => spread[i % 4]! * Math.sin(i * 12.9898 + i * i * 0.1),
  );
  const ball = Array.from({ length: rows * 4 }, (_, i) => {
    const row = tangent.slice(4 * Math.floor(i / 4), 4 * Math.floor(i / 4) + 4);
    const norm = Math.hypot(...row);
    return (tangent[i]! * Math.tanh(norm)) / norm;
  });
  const { explained } = await projectToDisk(ball, rows, 4, 1);
  const variance = (k: number): number => {
    const column = Array.from({ length: rows }, (_, i) => tangent[4 * i + k]!);
    const mean = column.reduce((a, b) => a + b) / rows;
    return column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows;
  };
  const all = [0, 1, 2, 3].map(variance);
  const total = all.reduce((a, b) => a + b);
  t.true(explained[0] >= Math.max(...all) / total - 1e-6);
  t.true(explained[0] + explained[1] > 0.9);
});

test('words for durations and shares', (t) => {
  t.is(duration(48.4), '48\u00a0s');
  t.is(duration(161), '2\u00a0min\u00a041\u00a0s');
  t.is(duration(3900), '1\u00a0h\u00a05\u00a0min');
  t.is(duration(7199), '2\u00a0h\u00a00\u00a0min');
  t.is(percent(0.1234), '12.3');
  t.is(percent(undefined), '–');
});

test('runs whose neighbours differ show them row by row, with the odd ones framed; equal rows are not drawn', (t) => {
  const [one, two, three] = [fakeRun('one'), fakeRun('two'), fakeRun('three')];
  const other = `${three.snapshot!.gallery[0]!.nearest[0]!.thumbnail}#`;
  three.snapshot!.gallery[0]!.nearest[0]!.thumbnail = other;
  const alike = comparisonPage([one, two]);
  t.regex(alike, /All runs find the same neighbours/);
  t.is([...alike.matchAll(/<img/g)].length, 0);
  const differing = comparisonPage([one, three]);
  t.is([...differing.matchAll(/<img/g)].length, 4);
  t.regex(differing, /In a dashed frame: pictures/);
  t.is([...differing.matchAll(/class="miss only"/g)].length, 2);
  three.snapshot!.gallery[0]!.query.thumbnail = other; // no query in common
  t.notRegex(comparisonPage([one, three]), /<h2>Nearest neighbours/);
});
