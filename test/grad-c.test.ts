// The gradient that a vjp writes to `gradC` is the partial derivative with respect to c, for fixed inputs, and includes all
// terms.
import test from 'ava';
import {
  expmap0,
  type Matrix,
  matrix,
  metricCard,
  pairwiseDistance,
  poincareToLorentz,
} from '../lib/index.ts';
import { close, cloud, failure } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

const ones = ({ rows, cols }: Matrix) => matrix(new Float64Array(rows * cols).fill(1), rows, cols);
const sum = ({ data }: Matrix) => Array.from(data).reduce((total, value) => total + value, 0);

test('lorentz: gradC plus the gradC of poincareToLorentz.vjp equals that of poincare', (t) => {
  const c = 0.7;
  const ball = cloud(Float64Array, 5, 4, 0.9);
  const metric = 'lorentz';
  const lifted = poincareToLorentz.sync(ball, { c });
  const cotangent = ones(pairwiseDistance.sync(lifted, undefined, { c, metric }));

  const held = new Float64Array(1);
  const [byRows] = pairwiseDistance.vjp.sync(lifted, undefined, cotangent, { c, metric, gradC: held });
  const step = 1e-5;
  const at = (c: number) => sum(pairwiseDistance.sync(lifted, undefined, { c, metric }));
  const { parameters } = metricCard(metric).tolerance;
  const slope = (at(c + step) - at(c - step)) / (2 * step);
  close(t, held, [slope], allowed(Float64Array, parameters, referenceError.differences), 'held');

  const lift = new Float64Array(1);
  poincareToLorentz.vjp.sync(ball, byRows!, { c, gradC: lift });
  const whole = new Float64Array(1);
  pairwiseDistance.vjp.sync(ball, undefined, cotangent, { c, gradC: whole });
  close(t, [held[0]! + lift[0]!], whole, parameters.float64, 'whole');
  t.true(Math.abs(lift[0]!) > 0.01, 'a part that must be included');
});

test('transferring gradC during a call rejects the promise', async (t) => {
  const x = cloud(Float64Array, 20_000, 4, 0.5);
  const gradC = new Float64Array(1);
  const promise = expmap0.vjp(x, ones(x), { c: 1, gradC });
  structuredClone(gradC, { transfer: [gradC.buffer] });
  const { code, message } = await failure(() => promise);
  t.is(code, 'ERR_HOROBALL_DETACHED');
  t.regex(message, /^\[expmap0\.vjp\] gradC: expected .+, got .+/);
});

test('gradC is 0 for zero rows', (t) => {
  const gradC = Float64Array.of(7);
  const [x, none] = [cloud(Float64Array, 0, 3, 0.5), cloud(Float64Array, 2, 3, 0.5)];
  pairwiseDistance.vjp.sync(x, none, matrix(new Float64Array(0), 0, 2), { c: 1, gradC });
  t.is(gradC[0], 0);
});
