import test from 'ava';
import { jsonChecksumAdvice, jsonWithChecksum, withoutChecksum } from '../../lib/io/json-checksum.ts';

const values = [
  {},
  { a: 1, 2: 'b', 1: -0, é: [1e21, 1e-7, null, 0.1], nested: { z: 1, a: '"\\\n\ud800' }, nan: Number.NaN },
];

test('accepts the content with any whitespace, and rejects changed content', (t) => {
  for (const value of values) {
    const text = jsonWithChecksum(value);
    const whole: unknown = JSON.parse(text);
    const content: unknown = JSON.parse(JSON.stringify(value));
    t.deepEqual(withoutChecksum(whole), { value: content });
    const spaced = JSON.stringify(whole, null, 2).replaceAll('\n', '\r\n');
    t.deepEqual(withoutChecksum(JSON.parse(spaced)), { value: content });
    t.is(withoutChecksum({ ...(whole as object), b: 1 }), null);
    t.is(withoutChecksum({ ...(whole as object), crc32: 1 }), null);
  }
});

test('returns values without a checksum unchanged', (t) => {
  for (const value of [null, 1, 'a', [1], { a: 1 }]) t.deepEqual(withoutChecksum(value), { value });
});

test('the advice for a wrong checksum names the key to delete', (t) => {
  t.regex(jsonChecksumAdvice, /If you edited it yourself, delete its key "crc32"\.$/);
});
