import test from 'ava';
import { depthTable } from '../../../../lib/train/report/charts/depth.ts';
import { Html } from '../../../../lib/train/report/html.ts';

const row = (level: string, mean: number) => ({ level, groups: 3, mean, min: mean / 2, max: 2 * mean });

/** Returns the HTML of the table, or an empty string if no table is drawn. */
function drawn(rows: Parameters<typeof depthTable>[0]): string {
  const table = depthTable(rows);
  return table instanceof Html ? table.text : '';
}

test('draws no table without a class tree', (t) => {
  t.is(depthTable([]), null);
});

test('a level has its groups and distances, and a bar relative to the farthest level', (t) => {
  const text = drawn([row('picture', 2), row('class', 1), row('<b>', 0.5)]);
  t.deepEqual(
    [...text.matchAll(/<th scope="row">([^<]*)<\/th>/g)].map(([, name]) => name),
    ['image', 'class', '&lt;b&gt;'],
  );
  t.deepEqual(
    [...text.matchAll(/--share:([\d.]+)/g)].map(([, share]) => Number(share)),
    [1, 0.5, 0.25],
  );
  t.regex(text, /<td>3<\/td><td [^>]*>2\.00<\/td><td>1\.00<\/td><td>4\.00<\/td>/);
});

test('an unmeasured distance is a dash without a bar', (t) => {
  const text = drawn([row('class', Number.NaN), row('group', 0)]);
  t.notRegex(text, /NaN|Infinity/);
  t.is([...text.matchAll(/--share:0\.000/g)].length, 2);
});
