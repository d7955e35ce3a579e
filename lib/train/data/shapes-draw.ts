/**
 * Draws an image of a species as SVG: the body in a random pose and light, over a cluttered background, partly occluded.
 */
import { integer, type Random, uniform } from '../../random.ts';
import type { Color, Species } from './shapes-tree.ts';

/** Applies the light of the image to a color; returns a CSS color. */
type Light = (color: Color) => string;

/** Returns the SVG of one image of `species`, `size` x `size` pixels; a pure function of the random stream. */
export function drawImage(species: Species, next: Random, size: number): string {
  const light = drawLight(next);
  const body = `<g transform="${drawPose(next)}">${drawBody(species, light)}</g>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="-2 -2 4 4">` +
    `<defs>${shade(next)}<clipPath id="body"><path d="${outline(species)}"/></clipPath></defs>` +
    `${drawBackground(next, light)}${body}${drawOcclusion(next, light)}` +
    '<rect x="-2" y="-2" width="4" height="4" fill="url(#shade)"/></svg>'
  );
}

/** Samples a pose: a rotation of up to 28 degrees, a reflection, a skew, a translation and a scale. */
function drawPose(next: Random): string {
  const mirror = next() < 0.5 ? -1 : 1;
  const scale = uniform(next, 0.88, 1.22);
  const across = scale * uniform(next, 0.85, 1.1);
  return [
    `translate(${n(uniform(next, -0.3, 0.3))} ${n(uniform(next, -0.3, 0.3))})`,
    `rotate(${n(uniform(next, -28, 28))})`,
    `skewX(${n(uniform(next, -10, 10))})`,
    `scale(${n(mirror * across)} ${n(scale)})`,
  ].join(' ');
}

/** Samples a colored light for the whole image: an exposure, a gain per channel and a gamma. */
function drawLight(next: Random): Light {
  const exposure = uniform(next, 0.75, 1.08);
  const gains = [0, 1, 2].map(() => exposure * uniform(next, 0.86, 1.08));
  const gamma = uniform(next, 0.85, 1.2);
  return (color) => {
    const channels = rgb(color).map((v, i) => Math.min(1, (v * gains[i]!) ** gamma));
    return `rgb(${channels.map((v) => Math.round(255 * v)).join(',')})`;
  };
}

/** Samples a shading gradient from dark to bright across the image, in a random direction. */
function shade(next: Random): string {
  const angle = n(uniform(next, 0, 360));
  const dark = n(uniform(next, 0.1, 0.5));
  const bright = n(uniform(next, 0, 0.3));
  return (
    `<linearGradient id="shade" gradientTransform="rotate(${angle} 0.5 0.5)">` +
    `<stop offset="0" stop-color="#000" stop-opacity="${dark}"/><stop offset="0.5" stop-color="#000" stop-opacity="0"/>` +
    `<stop offset="0.5" stop-color="#fff" stop-opacity="0"/><stop offset="1" stop-color="#fff" stop-opacity="${bright}"/>` +
    '</linearGradient>'
  );
}

function drawBackground(next: Random, light: Light): string {
  const shapes = [`<rect x="-2" y="-2" width="4" height="4" fill="${light(anyColor(next))}"/>`];
  for (let i = 3 + integer(next, 6); i > 0; i--) shapes.push(clutter(next, light, 2, uniform(next, 0.2, 1)));
  return shapes.join('');
}

/** Draws up to two shapes in front of the body. */
function drawOcclusion(next: Random, light: Light): string {
  const shapes: string[] = [];
  for (let i = integer(next, 3); i > 0; i--) shapes.push(clutter(next, light, 1.5, uniform(next, 0.15, 0.4)));
  return shapes.join('');
}

/** Draws an ellipse, a bar, a polygon or a grating, at most `reach` from the center in both x and y. */
function clutter(next: Random, light: Light, reach: number, size: number): string {
  const fill = light(anyColor(next));
  const at = `translate(${n(uniform(next, -reach, reach))} ${n(uniform(next, -reach, reach))}) rotate(${n(uniform(next, 0, 180))})`;
  const kind = integer(next, 4);
  if (kind === 0)
    return `<ellipse transform="${at}" rx="${n(size)}" ry="${n(size * uniform(next, 0.3, 1))}" fill="${fill}"/>`;
  if (kind === 1) {
    return `<rect transform="${at}" x="${n(-2 * size)}" y="${n(-size / 6)}" width="${n(4 * size)}" height="${n(size / 3)}" fill="${fill}"/>`;
  }
  if (kind === 2) {
    const corners = Array.from({ length: 3 + integer(next, 4) }, (_, i, a = i * 1.3) =>
      polar(size * uniform(next, 0.5, 1), a),
    );
    return `<polygon transform="${at}" points="${corners.join(' ')}" fill="${fill}"/>`;
  }
  const bars = [-0.9, -0.3, 0.3].map(
    (y) => `M${n(-size)} ${n(y * size)}h${n(2 * size)}v${n(0.3 * size)}h${n(-2 * size)}z`,
  );
  return `<path transform="${at}" d="${bars.join('')}" fill="${fill}"/>`;
}

function drawBody(species: Species, light: Light): string {
  const { colors } = species;
  return (
    drawParts(species, light(colors.part)) +
    `<path d="${outline(species)}" fill="${light(colors.body)}"/>` +
    `<g clip-path="url(#body)">${drawTexture(species.texture, light(colors.texture))}</g>` +
    drawMark(species.mark, light(colors.mark))
  );
}

/** Returns the closed outline as an SVG path, sampled every 5 degrees. */
function outline({ outline: waves, aspect }: Species): string {
  const points: string[] = [];
  for (let i = 0; i < 72; i++) {
    const angle = (i * Math.PI) / 36;
    let radius = 1;
    for (const { order, amplitude, phase } of waves) radius += amplitude * Math.cos(order * angle + phase);
    points.push(`${n(radius * aspect * Math.cos(angle))} ${n(radius * Math.sin(angle))}`);
  }
  return `M${points.join('L')}Z`;
}

/** Draws the parts (horns, paddles, bristles or loops), which extend beyond the body and are behind it. */
function drawParts({ parts }: Species, fill: string): string {
  const { kind, length, width } = parts;
  const reach = 0.7 + length;
  const shape = {
    horn: `<path d="M0.4 ${n(-width)}L${n(reach)} 0L0.4 ${n(width)}Z" fill="${fill}"/>`,
    paddle: `<ellipse cx="${n(reach - 0.35)}" rx="0.4" ry="${n(width)}" fill="${fill}"/>`,
    bristle:
      `<path d="M0.3 ${n(-width)}L${n(reach)} ${n(-width)}M0.3 0L${n(reach)} 0M0.3 ${n(width)}L${n(reach)} ${n(width)}" ` +
      `stroke="${fill}" stroke-width="${n(width / 2)}"/>`,
    loop: `<circle cx="${n(reach - width)}" r="${n(width)}" fill="none" stroke="${fill}" stroke-width="0.14"/>`,
  }[kind];
  return parts.angles.map((a) => `<g transform="rotate(${n((a * 180) / Math.PI)})">${shape}</g>`).join('');
}

/** Draws the pattern on the body; the caller clips it to the outline. */
function drawTexture({ kind, frequency, angle, duty }: Species['texture'], fill: string): string {
  if (kind === 'plain') return '';
  const step = 2 / frequency;
  const steps = Array.from({ length: Math.ceil(3 / step) + 1 }, (_, i) => -1.5 + i * step);
  const shapes = {
    stripes: () => steps.map((y) => `<rect x="-2" y="${n(y)}" width="4" height="${n(step * duty)}"/>`),
    rings: () =>
      steps
        .filter((r) => r >= 0)
        .map(
          (r) =>
            `<circle r="${n(r + step / 4)}" fill="none" stroke="${fill}" stroke-width="${n(step * duty)}"/>`,
        ),
    dots: () => grid(steps, (x, y) => `<circle cx="${n(x)}" cy="${n(y)}" r="${n((step * duty) / 1.4)}"/>`),
    checks: () =>
      grid(steps, (x, y, odd) =>
        odd ? `<rect x="${n(x)}" y="${n(y)}" width="${n(step)}" height="${n(step)}"/>` : '',
      ),
    spokes: () =>
      Array.from({ length: Math.round(2 * frequency) }, (_, i, m = Math.round(2 * frequency)) => {
        const a = (2 * Math.PI * i) / m;
        return `<polygon points="0,0 ${polar(2, a)} ${polar(2, a + (2 * Math.PI * duty) / m)}"/>`;
      }),
  }[kind]();
  return `<g transform="rotate(${n((angle * 180) / Math.PI)})" fill="${fill}">${shapes.join('')}</g>`;
}

function grid(steps: number[], cell: (x: number, y: number, odd: boolean) => string): string[] {
  return steps.flatMap((y, row) => steps.map((x, column) => cell(x, y, (row + column) % 2 === 1)));
}

function drawMark({ kind, angle, distance, size }: Species['mark'], fill: string): string {
  const [r, thin] = [n(size), n(size / 3)];
  const shape = {
    disc: `<circle r="${r}"/>`,
    ring: `<circle r="${n(size * 0.8)}" fill="none" stroke="${fill}" stroke-width="${thin}"/>`,
    bar: `<rect x="${n(-1.3 * size)}" y="${n(-size / 3)}" width="${n(2.6 * size)}" height="${n(size / 1.5)}"/>`,
    cross: `<path d="M${n(-size)} 0H${r}M0 ${n(-size)}V${r}" stroke="${fill}" stroke-width="${n(size / 2)}"/>`,
    triangle: `<polygon points="${[0, 1, 2].map((i) => polar(1.2 * size, (i * 2 * Math.PI) / 3)).join(' ')}"/>`,
    pair: `<circle cy="${n(-0.7 * size)}" r="${n(size / 2)}"/><circle cy="${n(0.7 * size)}" r="${n(size / 2)}"/>`,
  }[kind];
  return `<g transform="translate(${polar(distance, angle)})" fill="${fill}">${shape}</g>`;
}

function anyColor(next: Random): Color {
  return { hue: uniform(next, 0, 360), chroma: uniform(next, 0.05, 0.75), light: uniform(next, 0.15, 0.85) };
}

/** Converts hue, chroma (HSL saturation) and lightness to channels in [0, 1], by the HSL formula of CSS Color 4. */
function rgb({ hue, chroma, light }: Color): [number, number, number] {
  const channel = (offset: number): number => {
    const k = (((offset + hue / 30) % 12) + 12) % 12;
    return light - chroma * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return [channel(0), channel(8), channel(4)];
}

function polar(radius: number, angle: number): string {
  return `${n(radius * Math.cos(angle))},${n(radius * Math.sin(angle))}`;
}

/** Rounds to four decimals, which keeps the markup short. The error is below 0.02 pixels even in the largest images. */
function n(value: number): string {
  return String(Math.round(value * 1e4) / 1e4);
}
