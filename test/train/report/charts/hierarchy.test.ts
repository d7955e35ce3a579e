import test from 'ava';
import { hierarchyTable } from '../../../../lib/train/report/charts/hierarchy.ts';
import { Html } from '../../../../lib/train/report/html.ts';

const fit = {
  nearestLca: 0.25,
  recall: { '1': [0.5, 0.75], '10': [0.875, Number.NaN] },
  ndcg: 0.9,
  spearman: -0.125,
  rankDistortion: 0.0625,
};

function drawn(hierarchy: Parameters<typeof hierarchyTable>[0]): string {
  const table = hierarchyTable(hierarchy);
  return table instanceof Html ? table.text : '';
}

test('a run without a class tree, or of an earlier version, has no table', (t) => {
  t.is(drawn(null), '');
  t.is(drawn(undefined), '');
});

test('each space has its recall by level and its scores', (t) => {
  const text = drawn({
    levels: ['class', '<i>'],
    spaces: { hyperbolic: fit, cosine: fit, body: fit },
    depthRadius: 0.5,
  });
  t.deepEqual([...text.matchAll(/<th scope="col">([^<]*)<\/th>/g)].map(([, name]) => name).slice(1, 5), [
    'Recall@1, class',
    'Recall@1, &lt;i&gt;',
    'Recall@10, class',
    'Recall@10, &lt;i&gt;',
  ]);
  const cells = '50.0 75.0 87.5 – 0.25 0.900 -0.13 0.063'
    .split(' ')
    .map((cell) => `<td>${cell}</td>`)
    .join('');
  t.is(text.split(cells).length, 4, text);
  t.true(text.includes('0.50'));
});
