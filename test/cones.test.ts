// Entailment cones, compared with the formulas of MERU in 40 digits (test/fixtures/cones.py), and at points where these are
// undefined.
import { readFileSync } from 'node:fs';
import test from 'ava';
import {
  exteriorAngle,
  halfAperture,
  lorentzExteriorAngle,
  lorentzHalfAperture,
  matrix,
} from '../lib/index.ts';
import { accuracyOf, cards, forward, gradients } from './row-points.ts';
import { close, eachClose, fixture } from './support.ts';

interface Case {
  c: number;
  x: number[];
  y: number[];
  operations: Record<string, { value: number; gradients: number[][] }>;
}

const cases = JSON.parse(readFileSync(fixture('cones.json'), 'utf8')) as Case[];
const row = (values: number[]) => matrix(Float64Array.from(values), 1, values.length);

test('values and gradients equal the published formulas in 40 digits', (t) => {
  t.is(cases.length, 24);
  for (const { c, x, y, operations } of cases) {
    for (const [name, { value, gradients: wanted }] of Object.entries(operations)) {
      const card = cards.find((each) => each.name === name)!;
      const inputs = [x, y].slice(0, wanted.length).map(row);
      const { value: ofValue, gradient } = accuracyOf(name);
      close(t, forward(card, inputs, { c }).data, [value], ofValue.float64, name);
      const got = gradients(card, inputs, { c }, matrix(Float64Array.of(1), 1, 1));
      for (const [i, { data }] of got.inputs.entries())
        close(t, data, wanted[i]!, gradient.float64, `${name}, ${i}, c ${c}`);
    }
  }
});

test('angles are exact on a line through the origin, and 0 where the direction is undefined', (t) => {
  const x = Float64Array.of(0.3, 0.4);
  const scaled = (by: number) => x.map((value) => by * value);
  for (const angle of [exteriorAngle, lorentzExteriorAngle]) {
    const of = (y: Float64Array, at = x) => angle.sync(matrix(at, 1, 2), matrix(y, 1, 2), { c: 1 }).data[0];
    t.is(of(scaled(1.5)), 0, 'straight outwards');
    t.is(of(scaled(0.5)), Math.PI, 'straight inwards');
    t.is(of(scaled(-1)), Math.PI, 'beyond the origin');
    t.is(of(x), 0, 'coincident');
    t.is(of(x, new Float64Array(2)), 0, 'the origin');
    const at = { c: 1 };
    for (const y of [x, scaled(1.5)])
      for (const { data } of angle.vjp.sync(matrix(x, 1, 2), matrix(y, 1, 2), Float64Array.of(1), at))
        t.deepEqual([...data], [0, 0]);
  }
});

test('the cone at the origin is a half space, and cones get narrower toward the rim', (t) => {
  for (const aperture of [halfAperture, lorentzHalfAperture]) {
    const of = (radius: number) => aperture.sync(matrix(Float64Array.of(radius, 0), 1, 2), { c: 1 }).data[0]!;
    t.is(of(0), Math.PI / 2);
    t.is(of(0.05), Math.PI / 2);
    t.true(of(0.5) > of(0.8));
    t.deepEqual(
      [...aperture.vjp.sync(matrix(Float64Array.of(0.05, 0), 1, 2), Float64Array.of(1), { c: 1 })[0]!.data],
      [0, 0],
    );
  }
});

test('the gradient of the exterior angle of near-duplicates equals that of the angle in the plane', (t) => {
  const [x, y] = [Float64Array.of(0.6, 0.79), Float64Array.of(0.6 + 1e-14, 0.79 - 2e-14)];
  const [p, q] = [y[0]! - x[0]!, y[1]! - x[1]!]; // exact, because the points are so close
  const want = [q, -p].map((value) => value / (p * p + q * q));
  const [byX, byY] = exteriorAngle.vjp.sync(x, y, Float64Array.of(1), { c: 1 });
  const limit = accuracyOf('exteriorAngle').gradient.float64;
  eachClose(t, byY!.data, want, limit, 'by y');
  eachClose(
    t,
    byX!.data,
    want.map((value) => -value),
    limit,
    'by x',
  );
});
