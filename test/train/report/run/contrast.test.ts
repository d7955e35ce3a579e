import test from 'ava';
import {
  contrast,
  heatLuminance,
  heatShare,
  inkOn,
  schemes,
} from '../../../../lib/train/report/run/contrast.ts';
import { style } from '../../../../lib/train/report/style.ts';
import { statedError } from '../../../tolerances.ts';

const names = ['light', 'dark'] as const;

test('contrast is symmetric, from 1 for equal luminances to 21 for black on white', (t) => {
  t.is(contrast(0.3, 0.3), 1);
  t.is(contrast(0, 1), contrast(1, 0));
  t.true(Math.abs(contrast(0, 1) - 21) < statedError.arithmetic);
});

test('the ends of the scale have the luminance of their colors', (t) => {
  const relative = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const name of names) {
    t.true(Math.abs(heatLuminance(0, name) - relative(schemes[name].wash)) < statedError.colors);
    t.true(Math.abs(heatLuminance(1, name) - relative(schemes[name].accent)) < statedError.colors);
  }
});

test('text on every cell of a heat map has a contrast of at least 4.5', (t) => {
  for (const name of names) {
    for (let heat = 0; heat <= 1; heat += 0.01) {
      const share = heatShare(heat);
      const ink = inkOn(share, name) === '#000' ? 0 : 1;
      t.true(contrast(heatLuminance(share, name), ink) >= 4.5, `${name} ${heat}`);
    }
  }
});

test('higher values have more of the accent color, with the colors of the style sheet', (t) => {
  t.deepEqual([heatShare(0), heatShare(0.5), heatShare(1)], [0.05, 0.5, 0.95]);
  for (const name of names)
    for (const color of Object.values(schemes[name])) t.true(style.includes(color), `${name} ${color}`);
});
