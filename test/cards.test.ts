// Checks the metadata of metric and geometry cards against the oracle.
import test from 'ava';
import { geometries, geometryTerms } from '../lib/card-names.ts';
import {
  actingParameters,
  distanceCard,
  distanceWeight,
  geometryCard,
  geometryCards,
  type LogitParameter,
  metricCard,
  metricCards,
} from '../lib/cards.ts';
import { hybridContrastiveLoss, matrix } from '../lib/index.ts';
import { headOf } from './metric-cases.ts';
import * as oracle from './oracle.ts';
import { close } from './support.ts';
import { allowed, coreError } from './tolerances.ts';

const numbers = { tauE: 0.4, tauH: 0.6, lambda: 1.4, c: 0.8 };
const e = [
  [0.6, 0.8],
  [-1, 0],
] as const;

test('cards cannot be changed, because every call reads them', (t) => {
  const loss = () => hybridContrastiveLoss.sync({ euclidean: matrix(e), tied: true, views: 2, c: 0.1 }).loss;
  const before = loss();
  for (const list of [metricCards(), geometryCards()] as unknown[][]) {
    t.throws(() => list.reverse(), { instanceOf: TypeError });
    t.throws(() => Object.assign(list[0] as object, { name: 'other' }), { instanceOf: TypeError });
  }
  t.is(loss(), before);
});

for (const name of geometries) {
  const card = geometryCard(name);

  test(`${name}: states exactly the parameters on which the oracle's logit depends`, (t) => {
    const points = headOf(name, matrix(Float64Array.of(0.2, 0.5, -0.4, 0.3), 2, 2), numbers.c);
    const h = oracle.table(points.data, points.cols);
    const logit = (changes: Partial<typeof numbers>) =>
      oracle.logits[name]!({ e: e[0], h: h[0]! }, { e: e[1], h: h[1]! }, { ...numbers, ...changes });
    const names = Object.keys(numbers) as LogitParameter[];
    const acting = names.filter((each) => logit({ [each]: 0.7 }) !== logit({}));
    t.deepEqual(actingParameters(card, false).toSorted(), acting.toSorted());
    // The radius of tied heads depends on c, so their distance does too, even if its formula has no c.
    const tied = card.distance === null ? acting : [...new Set([...acting, 'c' as const])];
    t.deepEqual(actingParameters(card, true).toSorted(), tied.toSorted());
  });

  test(`${name}: states the weight of the distance in the oracle's logit`, (t) => {
    const points = headOf(name, matrix(Float64Array.of(0.2, 0.5, -0.4, 0.3), 2, 2), numbers.c);
    const h = oracle.table(points.data, points.cols);
    const logit = (tauE: number) =>
      oracle.logits[name]!({ e: e[0], h: h[0]! }, { e: e[1], h: h[1]! }, { ...numbers, tauE });
    const [x, y] = [h[0]!, h[1]!];
    const weight = distanceWeight(card, numbers);
    const distance = card.distance === null ? 0 : oracle.distances[card.distance]!(x, y, numbers.c);
    const want = weight === 0 ? 0 : -weight * distance;
    close(t, [logit(Infinity)], [want], allowed(Float64Array, coreError.rounding), name);
    t.is(weight > 0, card.distance !== null);
    t.is(distanceWeight(geometryTerms[name], numbers), weight);
  });

  test(`${name}: ranks embeddings by a metric of the space of its points`, (t) => {
    const { points } = metricCard(card.ranking);
    const space = distanceCard(card, false)?.points;
    if (space === undefined) t.is(points, 'anywhere');
    else if (space !== 'anywhere') t.is(points, space);
    else t.not(points, 'hyperboloid');
  });
}
