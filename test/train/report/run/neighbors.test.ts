import test from 'ava';
import { comparisonPage } from '../../../../lib/train/report/run/compare.ts';
import { fakeRun } from '../../fake-run.ts';

test('differing neighbors of runs are shown row by row, with a frame around those that differ; equal rows are omitted', (t) => {
  const [one, two, three] = [fakeRun('one'), fakeRun('two'), fakeRun('three')];
  const other = `${three.snapshot!.gallery[0]!.nearest[0]!.thumbnail}#`;
  three.snapshot!.gallery[0]!.nearest[0]!.thumbnail = other;
  const alike = comparisonPage([one, two]);
  t.regex(alike, /All runs find the same neighbors [^.]*, so there is nothing to\s+compare\.<\/p>/);
  t.is([...alike.matchAll(/<img/g)].length, 0);
  const differing = comparisonPage([one, three]);
  t.is([...differing.matchAll(/<img/g)].length, 4);
  t.regex(differing, /dashed/);
  t.is([...differing.matchAll(/class="miss only"/g)].length, 2);
  three.snapshot!.gallery[0]!.query.thumbnail = other; // no common query
  t.notRegex(comparisonPage([one, three]), /<h2>Nearest neighbors/);
});
