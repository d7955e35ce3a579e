/**
 * Random augmentation of training images with torchvision's distributions: ColorJitter, RandAugment and RandomErasing.
 * The core applies them to the cropped image, byte for byte as Pillow does.
 */
import { runAsync } from '../call/run.ts';
import { atLeastZero, checkObject, listOf, readOptions, integer as whole } from '../check.ts';
import { quoted, rangeError, typeError } from '../errors.ts';
import { core } from '../native.ts';
import { integer, type Random, shuffle, uniform } from '../random.ts';
import { augment as callAugment } from './binding-calls.ts';
import { roundHalfEven } from './transforms.ts';

/** The operations of native/image/augment.h; the core uses the indices of this list. */
const operations = [
  'affine',
  'brightness',
  'color',
  'contrast',
  'sharpness',
  'hue',
  'posterize',
  'solarize',
  'autoContrast',
  'equalize',
  'erase',
] as const;

type Operation = (typeof operations)[number];

/** An operation and its arguments. */
export type Step = readonly [operation: Operation, ...numbers: number[]];

/** Numbers per step in the list that the core reads: the operation, then its arguments. */
const stepLength = 8;

/**
 * Random changes of color. As in torchvision, a value x means a random factor from 1 - x (at least 0) to 1 + x or, for the
 * hue, a random shift from -x to x.
 */
export interface ColorJitter {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  /** At most 0.5, half the color circle. */
  readonly hue: number;
}

/** Several random operations in sequence. */
export interface RandAugment {
  /** Number of operations per image; torchvision's default is 2. */
  readonly numOps: number;
  /** Strength from 0 to 30; torchvision's default is 9. */
  readonly magnitude: number;
}

/** Fills a random rectangle. */
export interface RandomErasing {
  /** Probability that an image is changed. */
  readonly p: number;
  /** Color of the rectangle: red, green and blue from 0 to 255. */
  readonly value: readonly [number, number, number];
}

/** Augmentations after the crop and the flip, applied in this order. */
export interface Augmentation {
  readonly colorJitter?: ColorJitter | undefined;
  readonly randAugment?: RandAugment | undefined;
  readonly randomErasing?: RandomErasing | undefined;
}

/** The largest magnitude of {@link RandAugment}. */
const maxMagnitude = 30;

/** Validates an augmentation; returns a copy. */
export function checkedAugmentation(operation: string, given: Augmentation | undefined): Augmentation {
  const name = 'augmentation';
  const { colorJitter, randAugment, randomErasing } = readOptions(
    operation,
    given,
    ['colorJitter', 'randAugment', 'randomErasing'],
    name,
  );
  const numbers = <O extends object>(part: string, value: O, known: readonly (keyof O & string)[]): O =>
    readOptions(operation, checkObject(operation, value, `${name}.${part}`), known, `${name}.${part}`);
  return {
    ...(colorJitter && {
      colorJitter: checkJitter(
        operation,
        numbers('colorJitter', colorJitter, ['brightness', 'contrast', 'saturation', 'hue']),
      ),
    }),
    ...(randAugment && {
      randAugment: checkRandAugment(operation, numbers('randAugment', randAugment, ['numOps', 'magnitude'])),
    }),
    ...(randomErasing && {
      randomErasing: checkErasing(operation, numbers('randomErasing', randomErasing, ['p', 'value'])),
    }),
  };
}

function checkJitter(operation: string, jitter: ColorJitter): ColorJitter {
  const { brightness, contrast, saturation, hue } = jitter;
  for (const [key, value] of Object.entries({ brightness, contrast, saturation }))
    atLeastZero(operation, key, value);
  if (atLeastZero(operation, 'hue', hue) > 0.5)
    throw rangeError(operation, 'hue', 'a number from 0 to 0.5', hue);
  return jitter;
}

function checkRandAugment(operation: string, given: RandAugment): RandAugment {
  whole(operation, 'numOps', given.numOps, 0, 100);
  whole(operation, 'magnitude', given.magnitude, 0, maxMagnitude);
  return given;
}

function checkErasing(operation: string, { p, value }: RandomErasing): RandomErasing {
  if (atLeastZero(operation, 'p', p) > 1) throw rangeError(operation, 'p', 'a number from 0 to 1', p);
  const levels = listOf(value, 3);
  if (levels === null) throw typeError(operation, 'value', 'an array of three color levels', quoted(value));
  const [red, green, blue] = levels.map((level) => whole(operation, 'value', level, 0, 255));
  return { p, value: [red!, green!, blue!] };
}

/** Samples the steps for one image of `size` x `size` pixels. */
export function drawSteps(
  { colorJitter, randAugment, randomErasing }: Augmentation,
  size: number,
  next: Random,
): Step[] {
  return [
    ...(colorJitter === undefined ? [] : jitter(colorJitter, next)),
    ...(randAugment === undefined ? [] : randomOperations(randAugment, size, next)),
    ...(randomErasing === undefined ? [] : erasing(randomErasing, size, next)),
  ];
}

function jitter({ brightness, contrast, saturation, hue }: ColorJitter, next: Random): Step[] {
  const order = shuffle(next, [0, 1, 2, 3]);
  const factor = (width: number): number => uniform(next, Math.max(0, 1 - width), 1 + width);
  const steps: (Step | null)[] = [
    brightness === 0 ? null : ['brightness', factor(brightness)],
    contrast === 0 ? null : ['contrast', factor(contrast)],
    saturation === 0 ? null : ['color', factor(saturation)],
    hue === 0 ? null : hueStep(uniform(next, -hue, hue)),
  ];
  return order.map((i) => steps[i]!).filter((step) => step !== null);
}

/** Returns the step that shifts the hue by `turn`, from -0.5 to 0.5, where 1 is the whole color circle. */
export function hueStep(turn: number): Step {
  return ['hue', (Math.trunc(turn * 255) + 256) % 256];
}

/** Creates the step of one of torchvision's operations; `magnitude` is in the units of the operation, with its sign. */
type Make = (magnitude: number, size: number) => Step | null;

interface Choice {
  /** The largest magnitude for images of this size; the smallest is 0. */
  readonly most: (size: number) => number;
  readonly signed: boolean;
  readonly make: Make;
}

const enhanced = (operation: Operation): Choice => ({
  most: () => 0.9,
  signed: true,
  make: (magnitude) => [operation, 1 + magnitude],
});
const constant = (step: Step | null): Choice => ({ most: () => 0, signed: false, make: () => step });
/** Maximum translation in pixels: the fraction 150/331 of the side, as in torchvision. */
const maxShift = (size: number): number => (150 / 331) * size;

/** The operations from which torchvision's RandAugment chooses, in its order. */
const choices: readonly Choice[] = [
  constant(null),
  { most: () => 0.3, signed: true, make: (m) => ['affine', 1, m, 0, 0, 1, 0] },
  { most: () => 0.3, signed: true, make: (m) => ['affine', 1, 0, 0, m, 1, 0] },
  { most: maxShift, signed: true, make: (m) => ['affine', 1, 0, -Math.trunc(m), 0, 1, 0] },
  { most: maxShift, signed: true, make: (m) => ['affine', 1, 0, 0, 0, 1, -Math.trunc(m)] },
  { most: () => 30, signed: true, make: rotation },
  ...(['brightness', 'color', 'contrast', 'sharpness'] as const).map(enhanced),
  { most: () => 4, signed: false, make: (m) => ['posterize', 8 - roundHalfEven(m)] },
  { most: () => 255, signed: false, make: (m) => ['solarize', 255 - m] },
  constant(['autoContrast']),
  constant(['equalize']),
];

function randomOperations({ numOps, magnitude }: RandAugment, size: number, next: Random): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < numOps; ++i) {
    const { most, signed, make } = choices[integer(next, choices.length)]!;
    const strength = (magnitude / maxMagnitude) * most(size);
    const step = make(signed && next() < 0.5 ? -strength : strength, size);
    if (step !== null) steps.push(step);
  }
  return steps;
}

/** Returns the step that rotates counterclockwise around the center, with the matrix of Pillow's `rotate`. */
export function rotation(degrees: number, size: number): Step {
  const angle = (-degrees * Math.PI) / 180;
  const round = (value: number): number => Number(value.toFixed(15));
  const [cos, sin] = [round(Math.cos(angle)), round(Math.sin(angle))];
  const center = size / 2;
  const x = cos * -center + sin * -center + center;
  const y = -sin * -center + cos * -center + center;
  return ['affine', cos, sin, x, -sin, cos, y];
}

/** torchvision's default ranges for the erased rectangle: area as a fraction of the image, and height / width. */
const [areas, ratios] = [
  [0.02, 0.33],
  [0.3, 3.3],
] as const;

function erasing({ p, value }: RandomErasing, size: number, next: Random): Step[] {
  if (next() >= p) return [];
  for (let attempt = 0; attempt < 10; ++attempt) {
    const area = size * size * uniform(next, ...areas);
    const ratio = Math.exp(uniform(next, Math.log(ratios[0]), Math.log(ratios[1])));
    const height = roundHalfEven(Math.sqrt(area * ratio));
    const width = roundHalfEven(Math.sqrt(area / ratio));
    if (height >= size || width >= size) continue;
    const top = integer(next, size - height + 1);
    return [['erase', top, integer(next, size - width + 1), height, width, ...value]];
  }
  return [];
}

/** Applies steps to the RGB bytes of a square image in place, off the JavaScript thread. */
export async function augment(pixels: Uint8Array, size: number, steps: readonly Step[]): Promise<void> {
  if (steps.length === 0) return;
  const list = new Float64Array(stepLength * steps.length);
  for (const [i, [operation, ...numbers]] of steps.entries()) {
    list[stepLength * i] = operations.indexOf(operation);
    list.set(numbers, stepLength * i + 1);
  }
  await runAsync('augment', undefined, () => ({
    start: (job) =>
      callAugment(core(), { size, steps: steps.length, list, pixels, out: pixels, threads: 1, job }),
    finish: () => undefined,
  }));
}
