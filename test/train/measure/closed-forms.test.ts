// Compares closed forms of the logit of two samples, for a tied head, with the oracle's head and distances.
import test from 'ava';

import { geometryTerms } from '../../../lib/card-names.ts';
import { tiedRadius } from '../../../lib/row/head.ts';
import {
  chordFit,
  hasClosedForm,
  pairCurve,
  radiusOfTied,
  type Setting,
} from '../../../lib/train/measure/closed-forms.ts';
import { type TrainedGeometry, trainedGeometries } from '../../../lib/train/options/define.ts';
import * as oracle from '../../oracle.ts';
import { statedError, tiedError } from '../../tolerances.ts';

const settings = [0.01, 0.1, 1, 20].flatMap((c) => [null, 2.3, 0.4].map((clip) => ({ c, clip })));
const close = (a: number, b: number, tolerance: number): boolean => Math.abs(a / b - 1) < tolerance;

/** Two unit vectors with this cosine. */
const pair = (cos: number): number[][] => [
  [1, 0, 0],
  [cos, Math.sqrt(1 - cos * cos), 0],
];

/** Computes the logit with the oracle's functions. */
function logit(
  geometry: TrainedGeometry,
  { tauE, tauH, lambda, c, clip }: Omit<Setting, 'terms'>,
  cos: number,
): number {
  const unit = pair(cos);
  const points = oracle.head(unit, { c, clip });
  const at = (i: number): oracle.Heads => ({ e: unit[i]!, h: points[i]! });
  return oracle.logits[geometry]!(at(0), at(1), { tauE, tauH, lambda, c });
}

test("the radius of tied heads equals the oracle's and the core's", (t) => {
  for (const { c, clip } of settings) {
    const [x] = oracle.head([[0.6, -0.8]], { c, clip }) as [number[]];
    const radius = radiusOfTied({ c, clip });
    t.true(close(radius, oracle.norm(x), tiedError.radius), `${c} ${clip}`);
    t.true(
      close(radius, tiedRadius({ c, clip: clip ?? Number.MAX_VALUE }), tiedError.radius),
      `${c} ${clip}`,
    );
  }
});

test('logits, slopes and pulls equal those of the oracle', (t) => {
  const h = 1e-5;
  for (const geometry of trainedGeometries.filter(hasClosedForm)) {
    for (const { c, clip } of settings) {
      const setting = { terms: geometryTerms[geometry], tauE: 0.1, tauH: 0.2, lambda: 3, c, clip };
      for (const cos of [-0.9, -0.3, 0.2, 0.5, 0.95]) {
        const at = `${geometry} ${c} ${clip} ${cos}`;
        const curve = pairCurve(setting, cos);
        t.true(close(curve.logit, logit(geometry, setting, cos), tiedError.logit), at);
        const slope = (logit(geometry, setting, cos + h) - logit(geometry, setting, cos - h)) / (2 * h);
        t.true(close(curve.slope, slope, tiedError.slope), at);
        const angle = Math.acos(cos);
        const pull =
          (logit(geometry, setting, Math.cos(angle - h)) - logit(geometry, setting, Math.cos(angle + h))) /
          (2 * h);
        t.true(close(curve.pull, pull, tiedError.slope), at);
      }
    }
  }
});

test('a distance without a closed form is refused', (t) => {
  const terms = { inner: true, distance: true, weighted: true, curved: false, slope: 0 };
  const setting = { terms, tauE: 0.1, tauH: 0.2, lambda: 3, c: 1, clip: null };
  t.throws(() => pairCurve(setting, 0.5), { instanceOf: RangeError, message: /terms: expected a distance/ });
  t.notThrows(() => pairCurve({ ...setting, terms: { ...terms, distance: false } }, 0.5));
});

test('the largest error of the linear approximation equals the stated one', (t) => {
  for (const { c, clip } of settings) {
    const { slope, offset, error } = chordFit({ c, clip });
    let worst = 0;
    for (let i = 0; i <= 4000; i++) {
      const [x, y] = oracle.head(pair(1 - 2 * (i / 4000) ** 2), { c, clip }) as [number[], number[]];
      const chord = oracle.norm(oracle.minus(x, y));
      worst = Math.max(worst, Math.abs(oracle.distances['poincare']!(x, y, c) - slope * chord - offset));
    }
    t.true(
      Math.abs(worst - error) < tiedError.worst * error + statedError.arithmetic,
      `${c} ${clip}: ${worst}, stated ${error}`,
    );
  }
});

test('near-duplicates keep a gradient in the ball, but not on the sphere', (t) => {
  const at1 = (geometry: 'euclidean' | 'hyperbolic'): number =>
    pairCurve({ terms: geometryTerms[geometry], tauE: 0.1, tauH: 0.2, lambda: 1, c: 0.1, clip: null }, 1)
      .pull;
  const r = Math.tanh(Math.sqrt(0.1)) / Math.sqrt(0.1);
  t.is(at1('euclidean'), 0);
  t.true(Math.abs(at1('hyperbolic') - (2 * r) / ((1 - 0.1 * r * r) * 0.2)) < statedError.arithmetic);
});

test('the linear approximation in the chord has the stated error, and no other line has a smaller one', (t) => {
  for (const c of [0.1, 1, 10]) {
    const setting = { terms: geometryTerms.hyperbolic, tauE: 1, tauH: 1, lambda: 1, c, clip: null } as const;
    const { slope, offset, error } = chordFit(setting);
    const chordal = { ...setting, terms: geometryTerms.chordal } as const;
    const worst = (a: number, b: number): number =>
      Math.max(
        ...Array.from({ length: 20_001 }, (_, i) => {
          const cos = 1 - 2 * (i / 20_000) ** 2; // uniform steps of the chord
          const chord = -pairCurve(chordal, cos).logit / 2;
          return Math.abs(-pairCurve(setting, cos).logit - a * chord - b);
        }),
      );
    t.true(Math.abs(worst(slope, offset) / error - 1) < tiedError.worst, `${c}`);
    for (const [a, b] of [
      [1.01, 1],
      [0.99, 1],
      [1, 1.1],
      [1, 0.9],
    ] as const)
      t.true(worst(slope * a, offset * b) > error * (1 + tiedError.otherLines));
  }
});

test('the linear approximation has a finite error at any small curvature', (t) => {
  for (let exponent = 1; exponent < 20; exponent += 0.25) {
    const { slope, offset, error } = chordFit({ c: 10 ** -exponent, clip: null });
    t.true([slope, offset, error].every(Number.isFinite), `c 1e-${exponent}`);
  }
});
