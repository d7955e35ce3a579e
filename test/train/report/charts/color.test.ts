import test from 'ava';
import { type TrainedGeometry, trainedGeometries } from '../../../../lib/train/options/define.ts';
import {
  classColors,
  colorsOf,
  geometryColors,
  lineColors,
} from '../../../../lib/train/report/charts/color.ts';
import { diskFigure } from '../../../../lib/train/report/charts/disk.ts';
import { comparisonPage } from '../../../../lib/train/report/run/compare.ts';
import { studyPage } from '../../../../lib/train/report/study/study.ts';
import { fakeRun, fakeSnapshot } from '../../fake-run.ts';
import { syntheticStudy } from '../../study/synthetic-study.ts';

test('a geometry has the same color on every page, and different arms have different colors', (t) => {
  const { hybrid, euclidean, hyperbolic } = geometryColors;
  const lines = (count: number) => Math.min(count, lineColors.length);
  t.is(new Set(Object.values(geometryColors)).size, lines(trainedGeometries.length));
  t.deepEqual(colorsOf(['euclidean', 'hyperbolic', 'hybrid']), [euclidean, hyperbolic, hybrid]);
  const arms = ['slope-matched', ...trainedGeometries, 'hard negatives'];
  t.is(new Set(colorsOf(arms)).size, lines(arms.length));
  const repeated = colorsOf([
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
    'hyperbolic',
  ]);
  t.is(repeated[0], hyperbolic);
  t.is(new Set(repeated).size, 6);
  // Reads the name and the color of each entry of the legends.
  const colored = (page: string): string[][] =>
    [...page.matchAll(/background:(var\(--line-\d\))"><\/i>(\w+)</g)].map(([, color, name]) => [
      name!,
      color!,
    ]);
  const pages = [
    studyPage(syntheticStudy(1)),
    comparisonPage(['euclidean', 'hybrid'].map((geometry) => fakeRun(geometry, { geometry }))),
  ];
  for (const page of pages) {
    const legends = colored(page);
    t.true(legends.length >= 2);
    for (const [name, color] of legends) t.is(color, geometryColors[name as TrainedGeometry], name);
  }
});

test('classes of a family have the same hue, families different ones', (t) => {
  const classes = ['a/x/1', 'a/y/2', 'b/x/3'];
  const parents = [
    ['a/x', 'a'],
    ['a/y', 'a'],
    ['b/x', 'b'],
  ];
  const hue = (color: string): string => /([\d.]+)\)$/.exec(color)![1]!;
  const colors = classes.map((_, label) => classColors({ classes, parents })(label));
  const [first, second, third] = colors.map(hue);
  t.is(first, second);
  t.not(first, third);
  t.is(new Set(colors).size, 3);
});

test('coloring and naming 20,000 classes is fast', (t) => {
  const classes = Array.from({ length: 20_000 }, (_, i) => `family ${i % 9000}/genus ${i % 9500}/class ${i}`);
  const parents = classes.map((name) => [name.split('/').slice(0, 2).join('/'), name.split('/')[0]!]);
  const began = performance.now();
  for (const given of [[], parents]) {
    const colorOf = classColors({ classes, parents: given });
    t.true(new Set(classes.map((_, label) => colorOf(label))).size > 300);
  }
  const seconds = (performance.now() - began) / 1000;
  t.true(seconds < 5, `${seconds} s`); // takes 0.1 s; with a linear search per class, it took a minute
  const { text } = diskFigure({ ...fakeSnapshot(), classes, parents });
  t.true(text.length < 20_000, `${text.length}`);
});
