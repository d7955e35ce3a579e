import test from 'ava';
import { studyPage } from '../../../../lib/train/report/study/study.ts';
import { analyze } from '../../../../lib/train/study/analyze.ts';
import { makePlan } from '../../../../lib/train/study/plan.ts';
import { seeds, syntheticStudy } from '../../study/synthetic-study.ts';

test('a study says how reliable the intervals are for its number of seeds', (t) => {
  const page = (count: number): string => {
    const made = syntheticStudy(1);
    const some = Array.from({ length: count }, (_, i) => i + 1);
    return studyPage({ ...made, plan: { ...made.plan, seeds: some } });
  };
  const five = /with five seeds, they cover the true value 92 times out of 100/;
  const rough = /with fewer than five seeds, intervals are rough/;
  t.regex(page(5), five);
  for (const count of [1, 2, 3, 4, 6, 12]) t.notRegex(page(count), five);
  for (const count of [3, 4]) t.regex(page(count), rough);
  for (const count of [1, 2, 5, 6]) t.notRegex(page(count), rough);
});

test('with fewer than three seeds, a study shows ranges and no intervals', (t) => {
  const study = syntheticStudy(3);
  const some = (count: number) => ({
    ...study,
    plan: { ...study.plan, seeds: seeds.slice(0, count) },
    results: study.results.filter(({ seed }) => seed <= count),
  });
  for (const count of [1, 2]) {
    const page = studyPage(some(count));
    t.notRegex(page, /95%|bootstrap|p-values/);
    t.regex(page, /<th scope="col">range over seeds<\/th>/);
    t.regex(
      page,
      count === 1 ? /Points are values of a single seed;/ : /Points are means over seeds with the range/,
    );
  }
  t.regex(studyPage(some(3)), /<th scope="col">95% interval<\/th>/);
  const best = analyze(some(2)).arms[0]!.best!;
  const both = [...best.scores.values()];
  t.deepEqual([best.estimate.low, best.estimate.high], [Math.min(...both), Math.max(...both)]);
});

test('counts one geometry in the singular', (t) => {
  const made = makePlan({ axes: { geometry: { values: ['hybrid'] } }, seeds: [1] });
  const page = studyPage({ name: 'one', plan: made, results: [] });
  t.regex(page, /1 geometry, 1 setting, 1 paired seed: 0 of 1 run so far/);
});

test('the page of a study with few results makes no claims', (t) => {
  const whole = syntheticStudy(6);
  const begun = { ...whole, results: whole.results.filter(({ seed }) => seed === 1).slice(0, 5) };
  for (const study of [begun, { ...whole, results: [] }]) {
    const page = studyPage(study);
    t.notRegex(page, /NaN|undefined|Infinity/);
    t.notRegex(page, /\d points above/);
  }
});

test('the page is a single file without external resources, with relative links to its runs', (t) => {
  const study = syntheticStudy(8);
  study.plan.cells[0]!.arm = '<b>arm</b>';
  const page = studyPage(study);
  t.notRegex(page, /src\s*=\s*["'](?!data:)|url\(|@import|<link|<b>arm/i);
  const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, link]) => link!);
  t.is(links.length, 45);
  t.true(links.every((link) => /^runs\/[\w.-]+\/report\.html$/.test(link)));
});

test('the first sentence names all values of an option that a study varies', (t) => {
  const study = syntheticStudy(3);
  const cells = study.plan.cells.map((cell, i) => ({
    ...cell,
    config: { ...cell.config, bs: 32 * (1 + (i % 2)) },
  }));
  const page = studyPage({ ...study, plan: { ...study.plan, cells } });
  t.regex(page, /, batch size 32 or 64/);
});

test('a study of one seed does not claim that its settings were selected on other seeds', (t) => {
  const study = syntheticStudy(3);
  const one = { ...study.plan, seeds: [1] };
  const page = studyPage({ ...study, plan: one, results: study.results.filter(({ seed }) => seed === 1) });
  t.regex(page, /A single seed both selected and measured them/);
  t.notRegex(page, /remaining/);
  t.regex(studyPage(study), /chosen on the <em>remaining<\/em> seeds/);
});
