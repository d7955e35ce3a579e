import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import test from 'ava';
import {
  type Augmentation,
  augment,
  drawSteps,
  hueStep,
  rotation,
  type Step,
} from '../../lib/image/augment.ts';
import { type AugmentCall, augment as callAugment } from '../../lib/image/binding-calls.ts';
import { core } from '../../lib/native.ts';
import { random } from '../../lib/random.ts';
import { fixture } from '../support.ts';

interface Reference {
  size: number;
  results: { image: number; operation: string; argument: number; crc32: number }[];
}

const { size, results } = JSON.parse(await readFile(fixture('augment.json'), 'utf8')) as Reference;

/** The images of test/fixtures/augment.py: random bytes, and a narrow range of levels. */
function images(): Uint8Array[] {
  let state = 7;
  const next = (): number => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state >>> 24;
  };
  const length = 3 * size * size;
  const noise = Uint8Array.from({ length }, next);
  const narrow = Uint8Array.from({ length }, (_, i) => {
    const [row, col] = [Math.floor(i / (3 * size)), Math.floor(i / 3) % size];
    return 60 + ((3 * row + col + 17 * (i % 3) + (next() >> 5)) % 120);
  });
  return [noise, narrow];
}

const steps: Readonly<Record<string, (argument: number) => Step>> = {
  shearX: (m) => ['affine', 1, m, 0, 0, 1, 0],
  shearY: (m) => ['affine', 1, 0, 0, m, 1, 0],
  translateX: (m) => ['affine', 1, 0, -Math.trunc(m), 0, 1, 0],
  translateY: (m) => ['affine', 1, 0, 0, 0, 1, -Math.trunc(m)],
  rotate: (m) => rotation(m, size),
  hue: hueStep,
};

for (const { image, operation, argument, crc32: expected } of results) {
  test(`image ${image}, ${operation} ${argument}: gives the bytes of Pillow`, async (t) => {
    const pixels = images()[image]!;
    const step = steps[operation]?.(argument) ?? ([operation, argument] as unknown as Step);
    await augment(pixels, size, [step]);
    t.is(crc32(pixels), expected);
  });
}

test('erase fills a rectangle and nothing else', async (t) => {
  const pixels = new Uint8Array(3 * 16).fill(9);
  await augment(pixels, 4, [['erase', 1, 2, 3, 1, 10, 20, 30]]);
  const filled = [6, 10, 14].map((p) => [...pixels.subarray(3 * p, 3 * p + 3)]);
  t.deepEqual(filled, [
    [10, 20, 30],
    [10, 20, 30],
    [10, 20, 30],
  ]);
  t.is(pixels.filter((value) => value === 9).length, 3 * 13);
});

const all: Augmentation = {
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  randAugment: { numOps: 2, magnitude: 9 },
  randomErasing: { p: 0.25, value: [124, 116, 104] },
};

test('random parameters have the distributions of torchvision', (t) => {
  const draws = Array.from({ length: 4000 }, (_, i) => drawSteps(all, 224, random(5, i)));
  const share = (holds: (steps: Step[]) => boolean): number => draws.filter(holds).length / draws.length;
  const erased = share((steps) => steps.at(-1)![0] === 'erase');
  t.true(Math.abs(erased - 0.25) < 0.03, `${erased}`);
  const jitter = draws.map((steps) => steps.slice(0, 4));
  for (const [name, width] of [
    ['brightness', 0.4],
    ['contrast', 0.4],
    ['color', 0.4],
  ] as const) {
    const factors = jitter.map((four) => four.find(([operation]) => operation === name)![1]!);
    t.true(Math.min(...factors) >= 1 - width && Math.max(...factors) <= 1 + width);
    t.true(Math.max(...factors) - Math.min(...factors) > 1.9 * width);
  }
  const first = jitter.filter(([step]) => step![0] === 'hue').length / jitter.length;
  t.true(Math.abs(first - 0.25) < 0.03, `${first}`);
  // 14 equally likely operations, of which one changes nothing.
  const count = draws.flatMap((steps) => steps.slice(4).filter(([name]) => name !== 'erase')).length;
  t.true(Math.abs(count / draws.length - (2 * 13) / 14) < 0.05);
  for (const [, top, left, height, width] of draws.flatMap((steps) => steps.filter(([n]) => n === 'erase'))) {
    t.true(top! + height! <= 224 && left! + width! <= 224);
    const ratio = height! / width!;
    t.true(ratio > 0.29 && ratio < 3.4);
  }
});

test('RandAugment has the magnitudes of torchvision with 31 bins', (t) => {
  const seen = new Map<string, Set<string>>();
  for (let i = 0; i < 2000; ++i)
    for (const step of drawSteps({ randAugment: { numOps: 1, magnitude: 9 } }, 224, random(6, i))) {
      const [name, ...numbers] = step;
      const kind =
        name === 'affine' ? numbers.map((n) => Math.sign(Number((n ?? 0).toFixed(9)))).join() : name;
      seen.set(kind, (seen.get(kind) ?? new Set()).add(numbers.map((n) => n.toFixed(4)).join()));
    }
  for (const name of ['brightness', 'color', 'contrast', 'sharpness'])
    t.deepEqual([...seen.get(name)!].sort(), ['0.7300', '1.2700']);
  t.deepEqual([...seen.get('posterize')!], ['7.0000']);
  t.deepEqual([...seen.get('solarize')!], ['178.5000']);
  const affine = [...seen].filter(([kind]) => kind.includes(',')).flatMap(([, values]) => [...values]);
  t.true(affine.includes('1.0000,0.0900,0.0000,0.0000,1.0000,0.0000'));
  t.true(affine.includes('1.0000,0.0000,-30.0000,0.0000,1.0000,0.0000'));
  t.true(affine.includes('1.0000,0.0000,0.0000,0.0000,1.0000,30.0000'));
  t.true(affine.some((text) => text.startsWith(`${Math.cos(Math.PI / 20).toFixed(4)},`)));
});

test('a separate output leaves the image unchanged', (t) => {
  const [pixels, out] = [new Uint8Array(48).fill(100), new Uint8Array(48)];
  const list = Float64Array.of(1, 0.5, 0, 0, 0, 0, 0, 0); // brightness
  callAugment(core(), { size: 4, steps: 1, list, pixels, out, threads: 1, job: 0 });
  t.true(pixels.every((value) => value === 100) && out.every((value) => value === 50));
});

test('the core rejects steps with numbers out of range', (t) => {
  const pixels = new Uint8Array(3 * 16);
  const applied = (changes: Partial<AugmentCall>): unknown =>
    callAugment(core(), {
      size: 4,
      steps: 1,
      list: new Float64Array(8),
      pixels,
      out: pixels,
      threads: 1,
      job: 0,
      ...changes,
    });
  const call = (...numbers: number[]): unknown => {
    const list = new Float64Array(8);
    list.set(numbers);
    return applied({ list });
  };
  for (const wrong of [
    [11],
    [0.5],
    [-1],
    [0, Number.NaN],
    [1, -1],
    [5, 256],
    [6, 9],
    [10, 0, 0, 5, 1, 0, 0, 0],
    [10, 3, 0, 2, 1],
    [10, 0, 0, 1, 1, 256],
  ])
    t.throws(() => call(...wrong), { message: /steps with valid numbers/ }, `${wrong}`);
  t.throws(() => applied({ list: new Float64Array(7) }));
  t.throws(() => applied({ size: 5 }));
});
