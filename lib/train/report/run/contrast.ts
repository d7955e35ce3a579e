/** Colors of the style sheet that contrast calculations use, in the light and dark scheme. */
export const schemes = {
  light: { accent: '#14656e', wash: '#f3f1eb' },
  dark: { accent: '#5fb6bd', wash: '#1d2024' },
} as const;

type Triple = [number, number, number];

/** Returns the share of the accent color in a heat map cell; the rest is background. */
export function heatShare(heat: number): number {
  return Number((0.05 + 0.9 * heat).toFixed(2));
}

/** Returns black or white, whichever has more contrast on a heat map cell: at least 4.58:1 on any color. */
export function inkOn(share: number, scheme: keyof typeof schemes): '#000' | '#fff' {
  const ground = heatLuminance(share, scheme);
  return contrast(ground, 0) > contrast(ground, 1) ? '#000' : '#fff';
}

/** Returns the relative luminance of `color-mix(in oklab, accent share, wash)`. */
export function heatLuminance(share: number, scheme: keyof typeof schemes): number {
  const [accent, wash] = [schemes[scheme].accent, schemes[scheme].wash].map((hex) => oklabOf(linear(hex)));
  const mixed = accent!.map((value, i) => share * value + (1 - share) * wash![i]!) as Triple;
  return luminance(linearOf(mixed));
}

/** Returns the WCAG contrast ratio of two luminances, from 1 to 21. */
export function contrast(one: number, other: number): number {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

function luminance([r, g, b]: Triple): number {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function linear(hex: string): Triple {
  return [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

// The formulas are from Ottosson 2020, "A perceptual color space for image processing".
function oklabOf([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function linearOf([lightness, a, b]: Triple): Triple {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}
