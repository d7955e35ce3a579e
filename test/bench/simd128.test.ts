import test from 'ava';
import { simd128Peak } from '../../bench/simd128.ts';

test('the peak of SIMD128 is a rate that a CPU can have', (t) => {
  const peak = simd128Peak();
  t.true(peak > 0.5 && peak < 500, `${peak} GFLOP/s`);
});
