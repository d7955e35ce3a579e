/** The class tree of the built-in data set: the appearance of each family, genus and species. */
import { integer, type Random, random, shuffle, uniform } from '../../random.ts';

/** A color as hue (degrees), chroma and lightness in [0, 1]. */
export interface Color {
  hue: number;
  chroma: number;
  light: number;
}

const textures = ['plain', 'stripes', 'rings', 'dots', 'checks', 'spokes'] as const;
const partKinds = ['horn', 'paddle', 'bristle', 'loop'] as const;
export const marks = ['disc', 'ring', 'bar', 'cross', 'triangle', 'pair'] as const;

/** The appearance shared by all images of a class. Lengths are in units of the body's radius. */
export interface Species {
  name: string;
  genus: string;
  family: string;
  /** Outline: radius = 1 + sum of amplitude * cos(order * angle + phase); its width is then scaled by `aspect`. */
  outline: { order: number; amplitude: number; phase: number }[];
  aspect: number;
  parts: { kind: (typeof partKinds)[number]; angles: number[]; length: number; width: number };
  texture: { kind: (typeof textures)[number]; frequency: number; angle: number; duty: number };
  mark: { kind: (typeof marks)[number]; angle: number; distance: number; size: number };
  colors: { body: Color; texture: Color; part: Color; mark: Color };
}

export const generaPerFamily = 4;
export const speciesPerGenus = 4;

/** Returns the species of `families` families, ordered by family and genus; a pure function of the seed. */
export function classTree(seed: number, families: number): Species[] {
  const species: Species[] = [];
  for (let f = 0; f < families; f++) {
    const family = drawFamily(random(seed, 1, f), f);
    for (let g = 0; g < generaPerFamily; g++) {
      const genus = drawGenus(random(seed, 2, f, g), family, g);
      for (let s = 0; s < speciesPerGenus; s++) species.push(drawSpecies(random(seed, 3, f, g, s), genus, s));
    }
  }
  return species;
}

/** Samples a family: the main lobes of the outline, the kind of parts and the base colors. */
function drawFamily(next: Random, index: number): Species {
  const id = String(index + 1).padStart(2, '0');
  const hue = uniform(next, 0, 360);
  const order = 2 + integer(next, 6);
  return {
    name: '',
    genus: '',
    family: `family-${id}`,
    outline: [{ order, amplitude: uniform(next, 0.12, 0.34), phase: 0 }],
    aspect: uniform(next, 0.62, 1),
    parts: { kind: pick(next, partKinds), angles: [], length: 0, width: uniform(next, 0.16, 0.3) },
    texture: { kind: 'plain', frequency: 0, angle: 0, duty: 0.5 },
    mark: { kind: 'disc', angle: 0, distance: 0, size: 0 },
    colors: {
      body: { hue, chroma: uniform(next, 0.35, 0.9), light: uniform(next, 0.35, 0.75) },
      texture: {
        hue: hue + uniform(next, 90, 270),
        chroma: uniform(next, 0.35, 0.9),
        light: uniform(next, 0.2, 0.85),
      },
      part: {
        hue: hue + uniform(next, 60, 300),
        chroma: uniform(next, 0.4, 0.9),
        light: uniform(next, 0.3, 0.7),
      },
      mark: { hue: 0, chroma: 0, light: 0 },
    },
  };
}

/** Samples a genus of a family: adds finer lobes, the texture, and the number and angles of the parts. */
function drawGenus(next: Random, family: Species, index: number): Species {
  const main = family.outline[0]!;
  const count = 2 + integer(next, 5);
  const spread = uniform(next, 0.35, 1);
  const startAngle = uniform(next, 0, 2 * Math.PI);
  return {
    ...family,
    genus: `genus-${family.family.slice(-2)}-${index + 1}`,
    outline: [
      { ...main, amplitude: main.amplitude * uniform(next, 0.75, 1.25) },
      {
        order: main.order + 1 + integer(next, 3),
        amplitude: uniform(next, 0.04, 0.14),
        phase: uniform(next, 0, 6.28),
      },
    ],
    aspect: family.aspect * uniform(next, 0.85, 1.15),
    parts: {
      ...family.parts,
      angles: Array.from({ length: count }, (_, i) => startAngle + (spread * 2 * Math.PI * i) / count),
      length: uniform(next, 0.35, 0.75),
    },
    texture: {
      kind: pick(next, textures),
      frequency: uniform(next, 2.5, 5.5),
      angle: 0,
      duty: uniform(next, 0.35, 0.6),
    },
    colors: {
      ...family.colors,
      body: shifted(next, family.colors.body, 40, 0.15),
      part: shifted(next, family.colors.part, 60, 0.2),
    },
  };
}

/**
 * Samples a species of a genus: adds the mark and the final colors. Within a genus, the marks of the species have angles and
 * hues in different quarters of the circle.
 */
function drawSpecies(next: Random, genus: Species, index: number): Species {
  const quarter = (offset: number): number => ((index + offset) % speciesPerGenus) / speciesPerGenus;
  const shuffled = shuffle(next, [...marks]);
  const { body, texture, part } = genus.colors;
  return {
    ...genus,
    name: `species-${genus.genus.slice(6)}-${index + 1}`,
    outline: genus.outline.map((wave) => ({
      ...wave,
      amplitude: wave.amplitude * uniform(next, 0.85, 1.15),
    })),
    texture: {
      ...genus.texture,
      frequency: genus.texture.frequency * uniform(next, 0.8, 1.25),
      angle: Math.PI * (quarter(0) + uniform(next, 0, 0.2)),
    },
    mark: {
      kind: shuffled[0]!,
      angle: 2 * Math.PI * (quarter(1) + uniform(next, -0.1, 0.1)),
      distance: uniform(next, 0.15, 0.45),
      size: uniform(next, 0.22, 0.36),
    },
    colors: {
      body: shifted(next, { ...body, hue: body.hue + 12 * index }, 8, 0.1),
      texture: shifted(next, { ...texture, hue: texture.hue + 50 * index }, 20, 0.15),
      part: shifted(next, part, 20, 0.1),
      mark: {
        hue: 360 * (quarter(2) + uniform(next, 0, 0.25)),
        chroma: uniform(next, 0.5, 1),
        light: uniform(next, 0.3, 0.8),
      },
    },
  };
}

function pick<T>(next: Random, items: readonly T[]): T {
  return items[integer(next, items.length)]!;
}

function shifted(next: Random, { hue, chroma, light }: Color, degrees: number, amount: number): Color {
  const clamp = (x: number): number => Math.min(0.95, Math.max(0.12, x));
  return {
    hue: hue + uniform(next, -degrees, degrees),
    chroma: clamp(chroma + uniform(next, -amount, amount)),
    light: clamp(light + uniform(next, -amount, amount)),
  };
}
