import test from 'ava';
import fc from 'fast-check';
import { evalPlacement, roundHalfEven, trainPlacement } from '../../lib/image/transforms.ts';
import { random } from '../../lib/random.ts';

const published = { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] } as const;

test('rounds halves to even, as in Python', (t) => {
  const halves = [-1.5, 0.5, 1.5, 2.5, 58.5];
  t.deepEqual(halves.map(roundHalfEven), [-2, 0, 2, 2, 58]);
  t.is(roundHalfEven(2.4999999), 2);
  t.is(roundHalfEven(2.5000001), 3);
});

test("Resize(256) and CenterCrop(224) give torchvision's sizes", (t) => {
  const sizes = ({ height, width, top, left }: ReturnType<typeof evalPlacement>): number[] => [
    height,
    width,
    top,
    left,
  ];
  t.deepEqual(sizes(evalPlacement({ width: 500, height: 375 }, 256, 224)), [256, 341, 16, 58]);
  t.deepEqual(sizes(evalPlacement({ width: 200, height: 333 }, 256, 224)), [426, 256, 101, 16]);
  t.deepEqual(sizes(evalPlacement({ width: 401, height: 401 }, 224, 224)), [224, 224, 0, 0]);
});

test('a random crop is inside the image and respects scale and ratio', (t) => {
  const side = fc.integer({ min: 1, max: 3000 });
  const property = fc.property(side, side, fc.integer(), (width, height, seed) => {
    const { box } = trainPlacement({ width, height }, 224, published, random(seed));
    const inside =
      box.top >= 0 && box.left >= 0 && box.top + box.height <= height && box.left + box.width <= width;
    // Rounding moves each side by up to half a pixel, so the ratio before rounding was in this range.
    const ratio = [
      (box.width - 0.5) / (box.height + 0.5),
      (box.width + 0.5) / Math.max(0.5, box.height - 0.5),
    ];
    return (
      inside && box.width > 0 && box.height > 0 && ratio[0]! <= 4 / 3 + 1e-9 && ratio[1]! >= 3 / 4 - 1e-9
    );
  });
  t.notThrows(() => fc.assert(property, { seed: 1 }));
});

test('a crop of a long, thin image has at least one pixel', (t) => {
  const of = (width: number, height: number, ratio: [number, number]) => {
    const { box } = trainPlacement({ width, height }, 224, { scale: [1, 1], ratio }, random(1));
    return [box.width, box.height];
  };
  t.deepEqual(of(5, 1, [0.1, 0.2]), [1, 1]);
  t.deepEqual(of(1, 5, [5, 10]), [1, 1]);
});

test('areas and ratios have the published distributions, and half of the crops are mirrored', (t) => {
  const square = { width: 1000, height: 1000 };
  const count = 4000;
  const crops = Array.from({ length: count }, (_, i) => trainPlacement(square, 224, published, random(i)));
  const mean = (f: (crop: (typeof crops)[number]) => number): number =>
    crops.reduce((sum, c) => sum + f(c), 0) / count;
  const share = mean(({ box }) => (box.width * box.height) / 1e6);
  t.true(share > 0.52 && share < 0.6, `area ${share}`); // below 0.6, because large crops with extreme ratios do not fit
  t.true(Math.abs(mean(({ box }) => Math.log(box.width / box.height))) < 0.02);
  t.true(Math.abs(mean(({ flip }) => Number(flip)) - 0.5) < 0.03);
  t.true(crops.every(({ box }) => box.width * box.height > 0.198e6));
});

test('falls back to a center crop if no random crop fits', (t) => {
  const wide = trainPlacement({ width: 1000, height: 10 }, 8, { ...published, scale: [1, 1] }, random(1)).box;
  t.deepEqual(wide, { top: 0, left: 493, height: 10, width: 13 });
  const tall = trainPlacement({ width: 10, height: 1000 }, 8, { ...published, scale: [1, 1] }, random(1)).box;
  t.deepEqual(tall, { top: 493, left: 0, height: 13, width: 10 });
});

test('different keys give different streams, equal keys equal ones', (t) => {
  const first = (...key: number[]): number[] => Array.from({ length: 4 }, random(...key));
  t.deepEqual(first(1, 2, 3), first(1, 2, 3));
  const keys = [[1, 2, 3], [1, 3, 2], [3, 2, 1], [1, 2], [1, 2, 3, 0], [0], [], [-1], [2 ** 31]];
  t.is(new Set(keys.map((key) => String(first(...key)))).size, keys.length);
  const mean = Array.from({ length: 10_000 }, (_, i) => random(5, i)()).reduce((a, b) => a + b) / 10_000;
  t.true(Math.abs(mean - 0.5) < 0.01);
});
