import test from 'ava';
import { parseConfig } from '../../../../lib/train/options/resolve.ts';
import { curvatureText, rankingText, tiedHeadText } from '../../../../lib/train/report/run/head-words.ts';

test('says that both outputs have the same ranking if the head is tied', (t) => {
  t.regex(tiedHeadText(parseConfig({ head: 'hypmix' }))!, /same ranking/);
  t.is(tiedHeadText(parseConfig({ head: 'hyp-vit' })), null);
});

test('states the agreement of two rankings with figures, if it was measured', (t) => {
  const words = rankingText({ spearman: 0.98765, overlap: 0.5, nearest: 10 })!;
  t.regex(words, /correlation of 0\.988 and share 50% of the 10 nearest/);
  t.notRegex(rankingText({ spearman: Number.NaN, overlap: Number.NaN, nearest: 1 })!, /NaN/);
  for (const none of [null, undefined]) t.is(rankingText(none), null);
});

test('states the effect of curvature only for a tied head whose loss has a hyperbolic distance', (t) => {
  const words = (options: Record<string, unknown>): string | null =>
    curvatureText(parseConfig({ head: 'hypmix', ...options }));
  t.is(words({ geometry: 'euclidean' }), null);
  t.is(words({ geometry: 'chordal' }), null);
  for (const learn of ['t_h', 'hyp_c']) t.is(words({ geometry: 'hybrid', learn }), null, 'its values change');
  t.is(words({ geometry: 'hyperbolic', head: 'hyp-vit' }), null);
  t.regex(
    words({ geometry: 'hyperbolic', hyp_c: 0.1 })!,
    /^At c = 0\.1, the distance is approximately [\d.]+ times the straight-line distance \(the chord\) plus [\d.]+\. The rest, which is due to curvature, changes/,
  );
});

test('the effect of curvature is smaller for smaller c and higher temperature, and weighted by lam in a hybrid', (t) => {
  const effect = (options: Record<string, unknown>): number =>
    Number(/at most (\S+)\.$/.exec(curvatureText(parseConfig({ head: 'hypmix', ...options }))!)![1]);
  const base = { geometry: 'hyperbolic', hyp_c: 0.5, t_h: 0.2 };
  t.true(effect({ ...base, hyp_c: 0.05 }) < effect(base));
  t.true(Math.abs(effect({ ...base, t_h: 0.4 }) / effect(base) - 0.5) < 0.05);
  t.true(Math.abs(effect({ ...base, geometry: 'hybrid', lam: 3 }) / effect(base) - 3) < 0.15);
  t.is(effect({ ...base, lam: 3 }), effect(base), 'lam has no effect without the cosine');
});
