import test from 'ava';
import {
  batchLosses,
  cardIndex,
  factsOf,
  lossesWith,
  needsProxies,
  parametersOf,
  similarityNumbersOf,
} from '../lib/batch-loss.ts';
import { contrastiveLosses } from '../lib/card-names.ts';

test('every loss except views has a card', (t) => {
  t.is(cardIndex('views'), -1);
  t.is(contrastiveLosses[cardIndex('proxy-nca')], 'ntxent');
  for (const loss of contrastiveLosses) t.is(contrastiveLosses[cardIndex(loss)], loss);
});

test('the defaults are the published ones, and exactly two losses have proxies', (t) => {
  // Wang et al. 2019, section 4.1, and Kim et al. 2020, section 4.1
  t.deepEqual(similarityNumbersOf('multi-similarity'), { alpha: 2, beta: 50, base: 0.5, margin: 0.1 });
  t.deepEqual(similarityNumbersOf('proxy-anchor'), { alpha: 32, beta: 32, base: 0, margin: 0.1 });
  t.deepEqual(batchLosses.filter(needsProxies), ['proxy-anchor', 'proxy-nca']);
  t.deepEqual(lossesWith('proxies'), ['proxy-anchor', 'proxy-nca']);
  t.deepEqual(parametersOf('multi-similarity'), { alpha: 2, beta: 50, base: 0.5 });
  t.deepEqual(parametersOf('ntxent'), {});
  t.deepEqual(factsOf('ntxent'), {});
});
