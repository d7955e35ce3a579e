import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import {
  planSchema,
  recallOfCell,
  remaining,
  resultSchema,
  runName,
  scoresOf,
} from '../../../lib/train/study/results.ts';
import { startCpuClock } from '../../cpu-clock.ts';

const recall = (at1: number) => ({ at: { 1: at1 }, strict: [] });
const spaces = { hyperbolic: recall(0.1), cosine: recall(0.2), body: recall(0.3), fused: recall(0.4) };
const result = { cell: 'a', seed: 1, spaces, seconds: 1, error: null };
const cell = (geometry: string, id = 'a') => ({
  id,
  arm: geometry,
  label: '',
  config: parseConfig({ geometry }),
});

for (const [geometry, expected] of [
  ['euclidean', 0.2],
  ['hyperbolic', 0.1],
  ['chordal', 0.1],
  ['hybrid', 0.4],
] as const) {
  test(`a ${geometry} cell is evaluated in the space that it trains`, (t) => {
    t.is(recallOfCell(cell(geometry), result)!.at['1'], expected);
    t.is(recallOfCell(cell(geometry), { ...result, spaces: null }), null);
  });
}

test('a hybrid run of an earlier version, without a fused score, is scored by the distance', (t) => {
  const { fused: _, ...before } = spaces;
  t.is(recallOfCell(cell('hybrid'), { ...result, spaces: before })!.at['1'], 0.1);
});

test('returns the scores of finished runs of a cell by seed', (t) => {
  const results = [result, { ...result, seed: 2, spaces: null }, { ...result, seed: 3, cell: 'b' }];
  t.deepEqual(scoresOf(cell('euclidean'), results), new Map([[1, 0.2]]));
  t.deepEqual(scoresOf(cell('euclidean'), results, '8'), new Map());
});

test('the remaining runs are ordered by seed', (t) => {
  const plan = { cells: [cell('euclidean', 'a'), cell('hybrid', 'b')], seeds: [1, 2], varied: [] };
  const left = remaining(plan, [result]).map(({ cell, seed }) => runName(cell, seed));
  t.deepEqual(left, ['b-s1', 'a-s2', 'b-s2']);
});

test('a duration that was not measured is NaN', (t) => {
  t.is(resultSchema.parse({ ...result, seconds: null }).seconds, Number.NaN);
  for (const seconds of [-1, 1e308]) t.false(resultSchema.safeParse({ ...result, seconds }).success);
});

test('a plan of many settings is rejected before any of them is read', (t) => {
  const cells = Array.from({ length: 200_000 }, (_, i) => ({ id: `c${i}`, arm: 'a', label: '', config: {} }));
  const spent = startCpuClock();
  const { success } = planSchema.safeParse({ cells, seeds: [1], varied: [] });
  const ms = spent();
  t.false(success);
  t.true(ms < 500, `${ms} ms`);
});

test('a plan with an overlong name of an arm is rejected', (t) => {
  const { config, ...rest } = { ...cell('euclidean'), arm: 'a'.repeat(256) };
  const { error } = planSchema.safeParse({
    cells: [{ ...rest, config: { geometry: config.geometry } }],
    seeds: [1],
    varied: [],
  });
  t.deepEqual(error?.issues[0]?.path, ['cells', 0, 'arm']);
});

test('a plan whose texts would be repeated until a report does not fit into memory is rejected', (t) => {
  const issueOf = (cell: object, rest: object) => {
    const plan = { cells: [{ id: 'a', arm: 'a', label: '', config: {}, ...cell }], seeds: [1], ...rest };
    return planSchema.safeParse({ varied: [], ...plan }).error?.issues[0];
  };
  const config = { ds: 'd'.repeat(100_000) };
  const seeds = Array.from({ length: 1000 }, (_, seed) => seed);
  t.is(issueOf({ config }, { seeds, varied: ['path'] }), undefined); // results.csv has no column `ds`
  t.is(issueOf({ config }, { seeds: [1], varied: ['ds'] }), undefined);
  const { message } = issueOf({ config }, { seeds, varied: ['ds'] })!;
  t.is(message, 'its options take more than 67108864 characters in results.csv');
  t.is(issueOf({}, { varied: ['ds', 'lr', 'ds'] })?.message, 'an option occurs twice');
  t.deepEqual(issueOf({ label: 'l'.repeat(2 ** 20 + 1) }, {})?.path, ['cells', 0, 'label']);
});
