import test from 'ava';
import { benchmarkSets, extraSets, unicodeData } from '../../../../lib/train/data/emoji/packages.ts';

test('every package is pinned by its exact version and SHA-512', (t) => {
  const pinned = [unicodeData, ...benchmarkSets, ...extraSets];
  for (const { name, version, integrity } of pinned) {
    t.regex(version, /^\d+\.\d+\.\d+$/, name);
    t.regex(integrity, /^sha512-[\w+/]{86}==$/, name);
  }
  for (const key of ['name', 'integrity'] as const)
    t.is(new Set(pinned.map((each) => each[key])).size, pinned.length, key);
});

test('sets of the benchmark have code points; others use those of a benchmark set or have names', (t) => {
  t.deepEqual(new Set(benchmarkSets.map(({ codepoints }) => codepoints)), new Set(['chars']));
  const ids = benchmarkSets.map(({ id }) => id);
  for (const { id, codepoints } of extraSets) {
    t.false(ids.includes(id), id);
    t.true(codepoints === 'names' || (typeof codepoints === 'object' && ids.includes(codepoints.of)), id);
  }
});
