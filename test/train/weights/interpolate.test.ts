import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { resamplePositions } from '../../../lib/train/weights/interpolate.ts';

const fixtures = 'test/fixtures/';

interface PositionCase {
  prefix: number;
  grid: [number, number];
  shape: number[];
  given: number[];
  wantedShape: number[];
  wanted: number[];
}

test("positions are resampled as by torch's antialiased bicubic interpolation", async (t) => {
  const cases = JSON.parse(
    await readFile(join(fixtures, 'weights/positions.json'), 'utf8'),
  ) as PositionCase[];
  t.true(cases.length >= 6);
  for (const { prefix, grid, shape, given, wantedShape, wanted } of cases) {
    const result = resamplePositions({ shape, data: new Float32Array(given) }, prefix, grid);
    t.deepEqual(result.shape, wantedShape);
    t.is(result.data.length, wanted.length);
    // Half a unit in the last place of float32 below 4, plus the rounding of the fixture to ten digits.
    result.data.forEach((value, i) => {
      if (Math.abs(value - wanted[i]!) > 1.3e-7) t.fail(`[${grid}] at ${i}: ${value}, not ${wanted[i]}`);
    });
  }
});

test('positions of the right grid are unchanged, and those that do not form a square are rejected', (t) => {
  const positions = { shape: [1, 5, 2], data: new Float32Array(10) };
  t.is(resamplePositions(positions, 1, [2, 2]), positions);
  t.throws(() => resamplePositions(positions, 2, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /pos_embed: expected shape \[1, 2 \+ n \* n, width\], got \[1,5,2\]/,
  });
  t.throws(() => resamplePositions({ shape: [5, 2], data: new Float32Array(10) }, 1, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
  });
  t.throws(() => resamplePositions({ shape: [1, 1, 2], data: new Float32Array(2) }, 1, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
  });
});
