import test from 'ava';
import { studyPage } from '../../../../lib/train/report/study/study.ts';
import { syntheticStudy } from '../../study/synthetic-study.ts';

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
  for (const count of [2, 3, 4]) t.regex(page(count), rough);
  for (const count of [1, 5, 6]) t.notRegex(page(count), rough);
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
