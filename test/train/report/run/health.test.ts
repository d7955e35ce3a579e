import test from 'ava';
import { radiusFigure } from '../../../../lib/train/report/run/health.ts';
import { fakeHealth } from '../../fake-run.ts';

const { NaN: none } = Number;

test('the histogram has one column per bin, and the highest has the most points', (t) => {
  const { text } = radiusFigure(fakeHealth);
  const heights = [...text.matchAll(/class="column"[^>]* height="([\d.]+)"/g)].map(([, h]) => Number(h));
  t.is(heights.length, 4);
  t.deepEqual([heights[0], heights[2]], [0, 0]);
  t.true(Math.abs(heights[1]! / heights[3]! - 3) < 0.01);
  t.regex(text, /Radii from 0\.100 to 0\.800 times that of the ball/);
});

test('states the values at their limits', (t) => {
  const words = (change: object): string =>
    /class="note">(.*?)<\/p>/.exec(radiusFigure({ ...fakeHealth, ...change }).text)![1]!;
  t.regex(
    words({}),
    /25% of the points are at the boundary of the ball\. No distances are at or above 12\.206 \/ sqrt\(c\), at which/,
  );
  t.regex(
    words({ atRim: 0, saturated: 0.00123 }),
    /No points are at the boundary\. 0\.123% of the distances/,
  );
  t.regex(words({ scale: 1024, skippedSteps: 1 }), /Loss scale 1024; 1 step skipped so far/);
  t.notRegex(words({}), /Loss scale/);
});

test('names unmeasured values, and draws an empty histogram', (t) => {
  const radius = { min: none, mean: none, max: none, histogram: [0, 0] };
  const { text } = radiusFigure({ ...fakeHealth, radius, atRim: none, saturated: none });
  t.regex(text, /Points at the boundary: not measured\. Distances: not measured\. Radii: not measured\./);
  t.notRegex(text, /NaN|Infinity/);
});
