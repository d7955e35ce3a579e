import test from 'ava';
import { geometryTerms } from '../../../lib/card-names.ts';
import { type GeometryCard, geometryCards, metricCard } from '../../../lib/index.ts';
import {
  above1,
  atLeast0,
  below1,
  count,
  describe,
  fileName,
  flag,
  from0to1,
  geometriesWith,
  inGroup,
  isFlag,
  type Kind,
  listOf,
  lossScale,
  numberList,
  oneOf,
  orNone,
  positive,
  text,
  trainedGeometries,
  trainedSpace,
  upTo1,
} from '../../../lib/train/options/define.ts';

/** The value that a kind parses from `given`; undefined if it is rejected. */
function valueFrom<T>({ schema }: Kind<T>, given: unknown): T | undefined {
  return schema.safeParse(given).data;
}

const cases: [name: string, kind: Kind<unknown>, accepted: [unknown, unknown][], refused: unknown[]][] = [
  [
    'count',
    count(2),
    [
      [2, 2],
      ['1_000', 1000],
      ['1e3', 1000],
    ],
    [1, 2.5, '', ' ', 'x', null, true, Infinity, 2 ** 60],
  ],
  ['positive', positive, [['0.05', 0.05]], [0, -1, Number.NaN, Infinity, '1,5']],
  ['atLeast0', atLeast0, [[0, 0]], [-1e-9]],
  ['above1', above1, [[1.5, 1.5]], [1]],
  ['below1', below1, [[0, 0]], [1, -0.1]],
  [
    'from0to1',
    from0to1,
    [
      ['0', 0],
      [1, 1],
    ],
    [-0.1, 1.1],
  ],
  [
    'numberList',
    numberList([1, 3], [0, 0.5, 'real']),
    [
      ['2,0.25', '2,0.25'],
      ['[2, 0.25]', '[2, 0.25]'],
    ],
    ['2', '2,', '2,0.25,1', '0,0', '1.5,0', '1,0.6', '1,x', ''],
  ],
  ['upTo1', upTo1, [[1, 1]], [0, 1.01]],
  ['oneOf', oneOf(['sum', 'mean']), [['sum', 'sum']], ['Sum', '', null, 'sum,mean']],
  [
    'listOf',
    listOf(['a', 'b', 'c']),
    [
      ['a', 'a'],
      ['c, a', 'c, a'],
    ],
    ['', 'a,', 'a,a', 'd', null],
  ],
  ['flag', flag, [[true, true]], ['true', 1, null]],
  ['text', text('a path'), [['x', 'x']], ['', 5]],
  [
    'fileName',
    fileName(9),
    [
      ['run-1.a_b', 'run-1.a_b'],
      ['a', 'a'],
    ],
    ['../up', '.hidden', 'a/b', 'a b', '', 'run-1.a_bc'],
  ],
  [
    'lossScale',
    lossScale,
    [
      [2 ** 127, 2 ** 127],
      [2 ** -126, 2 ** -126],
    ],
    [0, 1e308, 1e-40, Number.NaN],
  ],
  [
    'orNone',
    orNone(count(1)),
    [
      ['None', null],
      ['null', null],
      [null, null],
      ['3', 3],
    ],
    ['nothing', 0, undefined],
  ],
];

for (const [name, kind, accepted, refused] of cases)
  test(`${name} accepts ${kind.expected}`, (t) => {
    for (const [given, value] of accepted) t.is(valueFrom(kind, given), value, String(given));
    for (const given of refused) t.is(valueFrom(kind, given), undefined, String(given));
  });

test("the text of a kind's expected values can end a sentence", (t) => {
  t.is(oneOf(['sum', 'mean', 'max']).expected, "'sum', 'mean' or 'max'");
  t.is(orNone(positive).expected, 'a number above 0, or None');
  t.is(listOf(['a', 'b']).expected, 'one or more of a, b, separated by commas');
  t.is(numberList([1, 100], [0, 30]).expected, '2 integers (1 to 100, 0 to 30) separated by a comma');
  t.is(
    numberList([0, 1, 'real'], [2, 3], [0, 1]).expected,
    '3 numbers (0 to 1, 2 to 3, 0 to 1) separated by commas',
  );
});

test('the description of an option has its unit and values; that of a flag lists no values', (t) => {
  const images = inGroup('Images');
  const crop = images(count(8), { help: 'side of the crop', unit: 'pixels', default: 8 });
  t.is(describe(crop), 'side of the crop. Value in pixels: an integer of at least 8');
  t.is(crop.group, 'Images');
  const strict = images(flag, { help: 'stop at an image', default: false });
  t.is(describe(strict), 'stop at an image');
  t.deepEqual([isFlag(strict), isFlag(crop)], [true, false]);
});

test('runs can use every geometry whose points are in the ball, and rank by distance if the logit has one', (t) => {
  const isTrained = ({ distance }: GeometryCard) =>
    distance === null || metricCard(distance).points !== 'hyperboloid';
  t.deepEqual(
    trainedGeometries,
    geometryCards()
      .filter(isTrained)
      .map(({ name }) => name),
  );
  t.false(trainedGeometries.includes('lorentz' as never));
  for (const name of trainedGeometries) {
    t.not(geometryTerms[name].points as string, 'hyperboloid');
    t.is(trainedSpace(name), geometryTerms[name].distance ? 'hyperbolic' : 'cosine');
  }
  for (const term of ['inner', 'distance', 'weighted'] as const) {
    const [some, others] = [geometriesWith(term), geometriesWith(term, false)];
    t.deepEqual([...some, ...others].toSorted(), [...trainedGeometries].toSorted(), term);
    t.true(some.length > 0, term);
  }
});
