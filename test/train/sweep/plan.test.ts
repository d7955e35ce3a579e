import test from 'ava';
import { chordFit, pairCurve } from '../../../lib/train/closed-forms.ts';
import { parseAxis } from '../../../lib/train/sweep/axes.ts';
import { makePlan, matchedAt, type Plan } from '../../../lib/train/sweep/plan.ts';

type Axes = Parameters<typeof makePlan>[0]['axes'];
const axes = (texts: Record<string, string>): Axes =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, parseAxis(name as 't', text)]));
const ids = ({ cells }: Plan): string[] => cells.map(({ id }) => id);

test('the default study is 3 geometries x 3 temperatures', (t) => {
  const plan = makePlan({ axes: axes({ t: '0.05,0.1,0.2' }), seeds: [1, 2] });
  t.is(plan.cells.length, 9);
  t.is(new Set(ids(plan)).size, 9);
  t.true(ids(plan).every((id) => /^\w[\w.-]*$/.test(id)));
  t.deepEqual(plan.varied, ['t']);
});

test('options that a geometry does not use are not tried twice', (t) => {
  const plan = makePlan({ axes: axes({ t: '0.1', hyp_c: '0.1,1,3', lam: '0.5,3' }), seeds: [1] });
  t.deepEqual(
    plan.cells.map(({ arm }) => arm).join(' '),
    'euclidean hyperbolic hyperbolic hyperbolic hybrid hybrid hybrid hybrid hybrid hybrid',
  );
});

test('any option of a run can be an axis; brackets hold a value together', (t) => {
  const text = {
    head: 'hypmix,hyp-vit',
    emb: '16,32',
    eval_ep: '[5,10],[10]',
    ep: '10',
    geometry: 'hyperbolic',
  };
  const plan = makePlan({ axes: axes(text), seeds: [1] });
  t.is(plan.cells.length, 8);
  t.is(plan.cells[0]!.config.eval_ep, '[5,10]');
  t.regex(plan.cells[0]!.label, /head hypmix, emb 16, eval_ep \[5,10\]/);
});

test('values are checked before anything is run', (t) => {
  const code = 'ERR_HOROBALL_CONFIG';
  t.throws(() => makePlan({ axes: axes({ t: '0.1,-1' }), seeds: [1] }), {
    code,
    message: /t: .*above 0.*-1/,
  });
  t.throws(() => makePlan({ axes: axes({ geometry: 'flat' }), seeds: [1] }), { code, message: /geometry/ });
  t.throws(() => makePlan({ axes: axes({ t_h: '0.1:0.4' }), seeds: [1] }), {
    code,
    message: /range needs --random/,
  });
  t.throws(() => parseAxis('t_h', '0.4:0.1'), { code, message: /low < high/ });
  t.throws(() => parseAxis('t_h', '0.4,,1'), { code });
  t.throws(() => makePlan({ axes: axes({ geometry: 'hybrid' }), seeds: [1], controls: true }), {
    code,
    message: /controls/,
  });
});

test('a random search draws inside its ranges, the same each time, and no setting of a list twice', (t) => {
  const options = { axes: axes({ geometry: 'hyperbolic', t_h: '0.05:0.4' }), seeds: [1], draws: 20 };
  const plan = makePlan(options);
  t.deepEqual(makePlan(options), plan);
  const drawn = plan.cells.map(({ config }) => config.t_h);
  t.true(drawn.every((value) => value >= 0.05 && value <= 0.4));
  const below = drawn.filter((value) => value < Math.sqrt(0.05 * 0.4)).length;
  t.true(below > 3 && below < 17); // even on the logarithm
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
  const c1 = { geometry: 'hyperbolic', t_e: 1, t_h: 0.2, lam: 1, c: 1, clip: null } as const;
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

test("slopes and pulls are the logit's derivatives", (t) => {
  const h = 1e-6;
  for (const geometry of ['euclidean', 'hyperbolic', 'hybrid', 'chordal'] as const) {
    for (const c of [0.1, 1, 20]) {
      const setting = { geometry, t_e: 0.1, t_h: 0.2, lam: 3, c, clip: 2.3 };
      for (const cos of [-0.9, 0, 0.5, 0.95]) {
        const { slope, pull } = pairCurve(setting, cos);
        const numeric = (pairCurve(setting, cos + h).logit - pairCurve(setting, cos - h).logit) / (2 * h);
        t.true(Math.abs(slope / numeric - 1) < 1e-6, `${geometry} ${c} ${cos}`);
        t.true(Math.abs(pull / (numeric * Math.sqrt(1 - cos * cos)) - 1) < 1e-6);
      }
    }
  }
  // Near-duplicates keep pulling in the ball, and not on the sphere.
  const at1 = (geometry: 'euclidean' | 'hyperbolic'): number =>
    pairCurve({ geometry, t_e: 0.1, t_h: 0.2, lam: 1, c: 0.1, clip: null }, 1).pull;
  const r = Math.tanh(Math.sqrt(0.1)) / Math.sqrt(0.1);
  t.is(at1('euclidean'), 0);
  t.true(Math.abs(at1('hyperbolic') - (2 * r) / ((1 - 0.1 * r * r) * 0.2)) < 1e-12);
});

test('the straight line through the chord errs as little as it says, and no other errs less', (t) => {
  for (const c of [0.1, 1, 10]) {
    const setting = { geometry: 'hyperbolic', t_e: 1, t_h: 1, lam: 1, c, clip: null } as const;
    const { slope, offset, error } = chordFit(setting);
    const chordal = { ...setting, geometry: 'chordal' } as const;
    const worst = (a: number, b: number): number =>
      Math.max(
        ...Array.from({ length: 20_001 }, (_, i) => {
          const cos = 1 - 2 * (i / 20_000) ** 2; // even in the chord
          const chord = -pairCurve(chordal, cos).logit / 2;
          return Math.abs(-pairCurve(setting, cos).logit - a * chord - b);
        }),
      );
    t.true(Math.abs(worst(slope, offset) / error - 1) < 1e-3, `${c}`);
    for (const [a, b] of [
      [1.01, 1],
      [0.99, 1],
      [1, 1.1],
      [1, 0.9],
    ] as const)
      t.true(worst(slope * a, offset * b) > error * (1 + 1e-6));
  }
});
