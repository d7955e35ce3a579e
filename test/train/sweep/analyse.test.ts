import test from 'ava';
import { studyPage } from '../../../lib/train/report/study.ts';
import { analyse } from '../../../lib/train/sweep/analyse.ts';
import { studyCsv } from '../../../lib/train/sweep/table.ts';
import { madeUp, plan, result } from './made-up.ts';

const studies = 200;
const claims = (draw: number, planted = {}) =>
  analyse(madeUp(draw, planted)).contrasts.filter(({ verdict }) => verdict === 'difference');

test('a planted effect is found, with its sign and size, and named on the page', (t) => {
  const study = madeUp(1, { hyperbolic: 0.06 });
  const found = claims(1, { hyperbolic: 0.06 });
  t.deepEqual(found.map(({ more, less }) => `${more} over ${less}`).sort(), [
    'hyperbolic over euclidean',
    'hyperbolic over hybrid',
  ]);
  for (const { estimate } of found) t.true(estimate.low < 0.06 && 0.06 < estimate.high, `${estimate.mean}`);
  t.regex(studyPage(study), /hyperbolic is \d\.\d points above euclidean/);
});

test('in null data nothing is found, and the page says so', (t) => {
  t.deepEqual(claims(2), []);
  t.regex(studyPage(madeUp(2)), /No difference between the geometries is larger than chance would make it/);
});

test('over many made-up studies: few false claims where nothing differs, few misses where something does', (t) => {
  let [wrong, missed] = [0, 0];
  for (let draw = 0; draw < studies; draw++) {
    if (claims(draw).length > 0) wrong += 1;
    const found = claims(draw, { hyperbolic: 0.06 });
    if (found.filter(({ more }) => more === 'hyperbolic').length < 2) missed += 1;
  }
  // Promised: 5 % false claims; three standard errors of 200 studies are 4.6 %.
  t.true(wrong / studies < 0.097, `${wrong} false claims`);
  t.true(missed / studies < 0.05, `${missed} misses`);
});

test('each arm has its own best temperature, chosen without the seed that it is judged by', (t) => {
  const { arms } = analyse(madeUp(3));
  t.deepEqual(
    arms.map(({ arm, best }) => [arm, best!.cell.label]),
    [
      ['euclidean', 't_e 0.05'],
      ['hyperbolic', 't_h 0.1'],
      ['hybrid', 't_e = t_h = 0.2'],
    ],
  );
  // One seed on which the worst setting is the best by far: it must not be chosen by that seed itself.
  const study = madeUp(4);
  const lucky = study.results.find(({ cell, seed }) => cell === 'euclidean-t_e0.2' && seed === 1)!;
  lucky.spaces!.cosine.at['1'] = 0.9;
  const { heldOut } = analyse(study).arms[0]!;
  t.true(heldOut.get(1)! < 0.8);
});

test('a setting of which a run failed is no candidate, and is said to have failed', (t) => {
  const study = madeUp(5, { hyperbolic: 0.06 });
  const failed = study.results.find(({ cell, seed }) => cell === 'hyperbolic-t_h0.1' && seed === 3)!;
  Object.assign(failed, { spaces: null, error: 'step 4: the loss is no longer a number' });
  const arm = analyse(study).arms[1]!;
  t.not(arm.best!.cell.id, 'hyperbolic-t_h0.1');
  t.regex(studyPage(study), /<td>failed<\/td>/);
  t.regex(studyCsv(study), /hyperbolic,hyperbolic,[^\r]*,3,,,50,step 4: the loss is no longer a number\r\n/);
});

test('a study that has only begun makes a page without claims', (t) => {
  const whole = madeUp(6);
  const begun = { ...whole, results: whole.results.filter(({ seed }) => seed === 1).slice(0, 5) };
  for (const study of [begun, { ...whole, results: [] }]) {
    const page = studyPage(study);
    t.notRegex(page, /NaN|undefined|Infinity/);
    t.notRegex(page, /\d points above/);
  }
});

test('the controls say how much of the effect survives', (t) => {
  const made = plan(true);
  const study = madeUp(
    7,
    { hyperbolic: 0.08, chordal: 0.08, 'slope-matched': 0.0, 'hard negatives': 0.02 },
    made,
  );
  const { survival } = analyse(study);
  const left = Object.fromEntries(survival.map(({ control, left }) => [control, left]));
  t.is(left['chordal']!.verdict, 'none found');
  t.is(left['slope-matched']!.verdict, 'difference');
  t.is(left['hard negatives']!.verdict, 'difference');
  // The questions of the study, and no others: three pairs of geometries, and hyperbolic against each control.
  t.is(analyse(study).contrasts.length, 6);
  const page = studyPage(study);
  t.regex(page, /chordal<\/b>.*cannot tell that rest from nothing/s);
  t.regex(page, /slope-matched<\/b>.*real difference/s);
});

test('the page is one file that fetches nothing and leads to its runs by relative links', (t) => {
  const study = madeUp(8);
  study.plan.cells[0]!.arm = '<b>arm</b>';
  const page = studyPage(study);
  t.notRegex(page, /src\s*=\s*["'](?!data:)|url\(|@import|<link|<b>arm/i);
  const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, link]) => link!);
  t.is(links.length, 45);
  t.true(links.every((link) => /^runs\/[\w.-]+\/report\.html$/.test(link)));
});

test('CSV has a line a run and quotes what needs it', (t) => {
  const study = { ...madeUp(9), results: [result('euclidean-t_e0.1', 1, 0.5)] };
  study.results[0]!.error = 'a "quoted", word';
  const [head, line, rest] = studyCsv(study).split('\r\n');
  t.is(head, 'arm,geometry,t_e,t_h,lam,hyp_c,seed,recall_at_1,recall_at_2,seconds,error');
  t.is(line, 'euclidean,euclidean,0.1,0.1,0.5,0.1,1,0.5,0.55,50,"a ""quoted"", word"');
  t.is(rest, '');
});
