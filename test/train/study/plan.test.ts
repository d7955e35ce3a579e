import test from 'ava';
import { geometryTerms } from '../../../lib/card-names.ts';
import { pairCurve } from '../../../lib/train/measure/closed-forms.ts';
import { parseAxis } from '../../../lib/train/study/axes.ts';
import { makePlan, matchedAt, type StudyPlan } from '../../../lib/train/study/plan.ts';
import { startCpuClock } from '../../cpu-clock.ts';

type Axes = Parameters<typeof makePlan>[0]['axes'];

const axes = (texts: Record<string, string>): Axes =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, parseAxis(name as 't', text)]));

const ids = ({ cells }: StudyPlan): string[] => cells.map(({ id }) => id);

test('the default study is 3 geometries x 3 temperatures', (t) => {
  const plan = makePlan({ axes: axes({ t: '0.05,0.1,0.2' }), seeds: [1, 2] });
  t.is(plan.cells.length, 9);
  t.is(new Set(ids(plan)).size, 9);
  t.true(ids(plan).every((id) => /^\w[\w.-]*$/.test(id)));
  t.deepEqual(plan.varied, ['t']);
});

test('a study evaluates the last epoch of its runs, unless epochs are given', (t) => {
  const evaluated = (texts: Record<string, string>) =>
    makePlan({ axes: axes({ t: '0.1', geometry: 'hybrid', ...texts }), seeds: [1] }).cells[0]!.config.eval_ep;
  t.is(evaluated({ ds: 'folder', ep: '20' }), '[20]');
  t.is(evaluated({ ds: 'folder' }), '[100]');
  t.is(evaluated({ ep: '20' }), '[20]');
  t.is(evaluated({ ep: '20', eval_ep: '[10,20]' }), '[10,20]');
});

test('merges settings that differ only in options that the geometry does not use', (t) => {
  const plan = makePlan({ axes: axes({ t: '0.1', hyp_c: '0.1,1,3', lam: '0.5,3' }), seeds: [1] });
  t.deepEqual(
    plan.cells.map(({ arm }) => arm).join(' '),
    'euclidean hyperbolic hyperbolic hyperbolic hybrid hybrid hybrid hybrid hybrid hybrid',
  );
});

test('a random search stays within its ranges, is reproducible, and never repeats a setting of lists', (t) => {
  const options = { axes: axes({ geometry: 'hyperbolic', t_h: '0.05:0.4' }), seeds: [1], draws: 20 };
  const plan = makePlan(options);
  t.deepEqual(makePlan(options), plan);
  const drawn = plan.cells.map(({ config }) => config.t_h);
  t.true(drawn.every((value) => value >= 0.05 && value <= 0.4));
  const below = drawn.filter((value) => value < Math.sqrt(0.05 * 0.4)).length;
  t.true(below > 3 && below < 17); // uniform on a logarithmic scale
  const narrow = makePlan({ ...options, axes: axes({ geometry: 'hyperbolic', t_h: '0.05001:0.05004' }) });
  t.true(narrow.cells.every(({ config }) => config.t_h >= 0.05001 && config.t_h <= 0.05004));
  const wide = makePlan({ ...options, axes: axes({ geometry: 'hyperbolic', t_h: '1e-300:1e300' }) });
  t.true(wide.cells.some(({ config }) => config.t_h < 1) && wide.cells.some(({ config }) => config.t_h > 1));
  const lists = makePlan({
    axes: axes({ geometry: 'hyperbolic', t_h: '0.1,0.2,0.3' }),
    seeds: [1],
    draws: 3,
  });
  t.is(lists.cells.length, 3);
});

test('the slope-matched control has the slope of its hyperbolic run', (t) => {
  const plan = makePlan({
    axes: axes({ geometry: 'hyperbolic', t: '0.2', hyp_c: '0.1,1' }),
    seeds: [1],
    controls: true,
  });
  const matched = plan.cells.filter(({ arm }) => arm === 'slope-matched').map(({ config }) => config);
  t.is(matched[0]!.t_e, 0.0988); // 0.099 in the table of effective temperatures
  const c1 = { terms: geometryTerms.hyperbolic, tauE: 1, tauH: 0.2, lambda: 1, c: 1, clip: null } as const;
  t.true(Math.abs(1 / matched[1]!.t_e / pairCurve(c1, matchedAt).slope - 1) < 0.005);
  t.deepEqual(
    [...new Set(plan.cells.map(({ arm }) => arm))],
    ['hyperbolic', 'chordal', 'slope-matched', 'hard negatives'],
  );
});

test('beta is an axis of the Euclidean runs, or of their control', (t) => {
  const arms = (controls: boolean): string[] =>
    makePlan({ axes: axes({ t: '0.1', beta: '0,0.5,2' }), seeds: [1], controls }).cells.map(
      ({ arm, label }) => `${arm}: ${label}`,
    );
  t.deepEqual(arms(false).slice(0, 4), [
    'euclidean: t_e 0.1, beta 0',
    'euclidean: t_e 0.1, beta 0.5',
    'euclidean: t_e 0.1, beta 2',
    'hyperbolic: t_h 0.1',
  ]);
  t.deepEqual(arms(true), [
    'euclidean: t_e 0.1, beta 0',
    'hyperbolic: t_h 0.1',
    'hybrid: t_e = t_h = 0.1',
    'chordal: t_h 0.1',
    'slope-matched: t_e 0.0494, beta 0',
    'hard negatives: t_e 0.1, beta 0.5',
    'hard negatives: t_e 0.1, beta 2',
  ]);
});

test('rejects a study of too many runs before planning it', (t) => {
  const many = Array.from({ length: 300 }, (_, i) => i + 1).join();
  const grid = axes({ lr: many, t_e: many, t_h: many });
  const refused = { code: 'ERR_HOROBALL_CONFIG', message: /a study of at most 100000 runs, got/ };
  t.throws(() => makePlan({ axes: grid, seeds: [1] }), refused);
  t.throws(() => makePlan({ axes: grid, seeds: [1], draws: 5 }), refused);
  t.throws(() => makePlan({ axes: axes({ t_h: '0.02:0.5' }), seeds: [1], draws: 999_999_999 }), refused);
  t.throws(() => makePlan({ axes: {}, seeds: Array(40_000).fill(1) }), refused);
});

test('rejects a study whose plan would be too long to read', (t) => {
  const many = Array.from({ length: 2600 }, (_, i) => i + 1).join();
  t.throws(() => makePlan({ axes: axes({ lr: many, geometry: 'euclidean,hybrid' }), seeds: [1] }), {
    code: 'ERR_HOROBALL_CONFIG',
    message:
      /a study of at most 5000 different settings, got more \(the options form 5200 combinations\)\. Pass fewer values/,
  });
});

test('rejects too many settings, a wrong geometry and missing controls without creating all settings', (t) => {
  const many = Array.from({ length: 33_000 }, (_, i) => i + 1).join();
  const cpuOf = (study: Parameters<typeof makePlan>[0], message: RegExp): number => {
    const spent = startCpuClock();
    t.throws(() => makePlan(study), { code: 'ERR_HOROBALL_CONFIG', message });
    return spent();
  };
  const spentOnAll = startCpuClock();
  makePlan({ axes: axes({ lr: many.slice(0, many.indexOf(',4001')), geometry: 'hybrid' }), seeds: [1] });
  const all = spentOnAll(); // of 4000 settings
  for (const [study, message] of [
    [{ lr: many }, /got more \(the options form 99000 combinations\)/],
    [{ lr: many, geometry: 'euclidean,spherical' }, /geometry: expected .*'spherical'/],
    [{ lr: many, geometry: 'euclidean' }, /controls: expected hyperbolic among the geometries/],
  ] as const) {
    const used = cpuOf({ axes: axes(study), seeds: [1], controls: true }, message);
    t.true(used < 4 * all, `${used} and ${all} ms`);
  }
});

test('long names of runs are cut to 200 characters, and a number makes them unique', (t) => {
  const paths = Array.from({ length: 300 }, (_, i) => `${'x'.repeat(300)}${i}`);
  const plan = makePlan({ axes: axes({ path: paths.join(), geometry: 'hybrid' }), seeds: [1] });
  t.is(new Set(ids(plan)).size, 300);
  t.true(ids(plan).every((id) => id.length <= 205));
  t.deepEqual(
    ids(plan)
      .slice(0, 3)
      .map((id) => id.slice(200)),
    ['', '-2', '-3'],
  );
});

test('runs have different folders on file systems that ignore the case of letters', (t) => {
  const plan = makePlan({ axes: axes({ path: 'a/b,A/B,a/B', geometry: 'hybrid' }), seeds: [1] });
  t.deepEqual(
    ids(plan).map((id) => /path.*$/.exec(id)![0]),
    ['patha_b', 'pathA_B-2', 'patha_B-3'],
  );
});

test('rejects a control without a valid temperature', (t) => {
  for (const t_h of ['5e-324', '1e308'])
    try {
      const { cells } = makePlan({ axes: axes({ t_h }), seeds: [1], controls: true });
      t.true(cells.every(({ config }) => config.t_e > 0 && config.t_e < Infinity));
    } catch (error) {
      t.like(error, { code: 'ERR_HOROBALL_CONFIG' });
      t.regex(
        (error as Error).message,
        /controls: expected a t_h for which the slope-matched Euclidean run has a valid t_e \(it would be/,
      );
    }
  t.throws(() => makePlan({ axes: axes({ t_h: '5e-324' }), seeds: [1], controls: true }), {
    message: /slope-matched/,
  });
});
