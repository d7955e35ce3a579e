import test from 'ava';
import { measureNegatives } from '../../../../lib/train/measure/negatives.ts';
import { negativesSection, profileTable } from '../../../../lib/train/report/run/negatives.ts';
import { embedded, options } from '../../measure/profiled.ts';

const views = { loss: 'views', beta: 0 } as const;

test('the section names the geometry of the run, shows all others, and prints no NaN', async (t) => {
  const page = negativesSection(
    (await measureNegatives(embedded([4, 4, 5, 4]), options))!.profiles,
    views,
  ).text;
  t.regex(page, /<b>hybrid<\/b>/);
  t.regex(page, /<h2>Weight of the negatives<\/h2>\n<p>Use this section to choose the temperature/);
  t.regex(page, /The 25% of the negatives with the same view carry \d+\.\d% of the weight/);
  t.is([...page.matchAll(/<svg [^>]*data-chart/g)].length, 2);
  t.notRegex(page, /NaN|undefined|Infinity/);
});

test('an untied hybrid has no line for its pull, and the section says why', async (t) => {
  const found = (await measureNegatives(embedded([4, 4, 4]), { ...options, tied: false }))!.profiles;
  const { text } = negativesSection(found, views, { curvature: 'A sentence on <curvature>.' });
  t.regex(
    text,
    /with head hyp-vit, the hybrid loss has two gradients in separate spaces that cannot be added/,
  );
  t.regex(text, /A sentence on &lt;curvature&gt;\./);
  const [, pull] = text.split('Share of the gradient by cosine');
  t.false(/class="legend".*hybrid/s.test(pull!.split('</figure>')[0]!));
});

test('the section says if the run was trained with other weights', async (t) => {
  const found = (await measureNegatives(embedded([4, 4, 4]), options))!.profiles;
  const text = (config: { loss: 'views' | 'proxy-anchor'; beta: number }): string =>
    negativesSection(found, config).text.replaceAll('&#39;', "'");
  t.regex(text(views), /geometry of this run \(<b>hybrid<\/b>\) with the loss 'views'/);
  t.notRegex(text(views), /was trained with/);
  t.regex(
    text({ ...views, loss: 'proxy-anchor' }),
    /trained with the loss 'proxy-anchor', whose weights differ\./,
  );
  t.regex(text({ ...views, beta: 1 }), /trained with beta 1, which gives hard negatives more weight\./);
});

test('the table marks the leading row; unmeasured values are dashes without a unit', async (t) => {
  const { profiles } = (await measureNegatives(embedded([4, 4, 4]), options))!.profiles;
  const [profile] = profiles as [(typeof profiles)[number]];
  const { NaN: none } = Number;
  const unknown = { ...profile, effective: none, hardest1: none };
  const { text } = profileTable([
    { name: 'own', profile, lead: true },
    { name: 'other', profile: unknown },
  ]);
  const [, lead, other] = text.split('<tr class=');
  t.regex(text, /p₊ is the softmax probability of the positive/);
  t.regex(lead!, /^"lead".*<td>[\d.]+ of 8<\/td><td>[\d.]+%<\/td>/s);
  t.regex(other!, /^"aside".*<td>–<\/td><td>–<\/td><td>[\d.]+%<\/td>/s);
});
