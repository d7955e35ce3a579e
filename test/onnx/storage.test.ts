import test from 'ava';
import fc from 'fast-check';
import { halfBits, quantize, toHalf } from '../../lib/onnx/storage.ts';
import { statedError } from '../tolerances.ts';

/** The value of a binary16 bit pattern. */
function widen(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

test('half precision: every representable value round-trips', (t) => {
  for (let bits = 0; bits < 1 << 16; bits++) {
    const value = widen(bits);
    if (Number.isNaN(value)) t.true(Number.isNaN(widen(halfBits(value))));
    else if (halfBits(value) !== bits) t.fail(`${bits}`);
  }
  t.pass();
});

test('half precision: rounds to nearest, ties to even, and to infinity beyond the largest value', (t) => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [widen(bits), widen(bits + 1)];
    const middle = (low + high) / 2; // exact in float32
    const even = bits % 2 === 0 ? bits : bits + 1;
    if (halfBits(middle) !== even) t.fail(`halfway above ${low}`);
    if (halfBits(low + (high - low) / 4) !== bits || halfBits(low + (3 * (high - low)) / 4) !== bits + 1)
      t.fail(`near ${low}`);
  }
  t.is(halfBits(65519), 0x7bff);
  t.is(halfBits(65520), 0x7c00);
  t.is(halfBits(-1e9), 0xfc00);
  t.is(halfBits(1e-9), 0);
  t.deepEqual(toHalf([1, -2]), Uint16Array.of(0x3c00, 0xc000));
});

test('8 bits: the error is at most half a step of the channel, and zeros stay exact', (t) => {
  const values = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(values, (x) => {
      const channelOf = (i: number): number => i % 3;
      const { data, scales } = quantize(x, 3, channelOf);
      return x.every((value, i) => {
        const scale = scales[channelOf(i)]!;
        return Math.abs(value - scale * data[i]!) <= statedError.halfStep * scale + statedError.subnormal;
      });
    }),
  );
  const zeros = quantize(new Float32Array(4), 2, (i) => i % 2);
  t.deepEqual([...zeros.data], [0, 0, 0, 0]);
  t.true(zeros.scales.every(Number.isFinite));
});
