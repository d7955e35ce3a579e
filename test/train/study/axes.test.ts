import test from 'ava';
import { parseAxis } from '../../../lib/train/study/axes.ts';
import { makePlan } from '../../../lib/train/study/plan.ts';
import { startCpuClock } from '../../cpu-clock.ts';

type Axes = Parameters<typeof makePlan>[0]['axes'];

const axes = (texts: Record<string, string>): Axes =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, parseAxis(name as 't', text)]));

test('any option of a run can be an axis, and commas in brackets do not split a value', (t) => {
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

test('validates all values before running anything', (t) => {
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

test('commas in brackets belong to a value, and many commas are split quickly', (t) => {
  t.deepEqual(parseAxis('eval_ep', '[5,10], 3,(1,2)'), { values: ['[5,10]', '3', '(1,2)'] });
  const spent = startCpuClock();
  const digits = Array.from({ length: 100_000 }, (_, i) => i % 10);
  t.deepEqual(parseAxis('seed', digits.join()), { values: digits.slice(0, 10).map(String) });
  const ms = spent();
  t.true(ms < 1000, `${ms} ms`);
});
