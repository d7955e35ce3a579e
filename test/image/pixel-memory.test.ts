import test from 'ava';
import { PixelMemory } from '../../lib/image/pixel-memory.ts';

test('memory is used again for images of similar sizes', (t) => {
  const memory = new PixelMemory();
  const first = memory.take(3000);
  t.is(first.length, 3000);
  const second = memory.take(3000);
  t.not(second.buffer, first.buffer);
  memory.give(first);
  const third = memory.take(4000);
  t.deepEqual([third.buffer, third.length], [first.buffer, 4000]);
  memory.give(third);
  t.not(memory.take(5000).buffer, first.buffer);
});

test('memory that is not its own, or is large, is not kept', (t) => {
  const memory = new PixelMemory();
  const [small, large] = [new Uint8Array(100), memory.take(2 ** 25 + 1)];
  memory.give(small);
  memory.give(large);
  t.not(memory.take(50).buffer, small.buffer);
  t.is(large.buffer.byteLength, 2 ** 25 + 1);
  t.not(memory.take(2 ** 25 + 1).buffer, large.buffer);
});

test('memory is given back once', (t) => {
  const memory = new PixelMemory();
  const taken = memory.take(10);
  memory.give(taken);
  memory.give(taken);
  t.is(memory.take(10).buffer, taken.buffer);
  t.not(memory.take(10).buffer, taken.buffer);
});
