/**
 * Renders drawings of an Iconify set. Packages are untrusted, so drawings must be small and have no external
 * references.
 */
import { coded } from '../../../errors.ts';
import { loadSharp } from '../../../io/sharp.ts';

/** A drawing: the body of an SVG and its placement. */
export interface Drawing {
  body: string;
  left: number;
  top: number;
  width: number;
  height: number;
  hFlip: boolean;
  vFlip: boolean;
  /** Quarter turns clockwise. */
  rotate: number;
}

/** Maximum number of characters of a drawing; the largest in the pinned sets has 898,083. */
const maxBody = 1 << 20;

/** Markup that could make a renderer read a file or a URL, or that defines entities. */
const externalReferences = [
  /<\s*(?:\w+:)?(?:image|foreignObject|script|style|iframe|feImage)\b/i,
  /<[!?]/,
  /href\s*=\s*(?!["']\s*#)/i,
  /url\(\s*(?!["']?\s*#)/i,
];

/**
 * Renders a drawing as a PNG image of `size` x `size` pixels on white. The rendering time is not limited.
 * @throws `ERR_HOROBALL_PICTURE` if it is too large, has external references, or cannot be rendered
 */
export async function renderDrawing(drawing: Drawing, size: number): Promise<Buffer> {
  checkBody(drawing.body);
  const sharp = await loadSharp();
  try {
    return await sharp(Buffer.from(svgOf(drawing, size)), { limitInputPixels: 4096 * 4096 })
      .flatten({ background: '#fff' })
      .png()
      .toBuffer();
  } catch (cause) {
    const [reason = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
    throw Object.assign(coded('ERR_HOROBALL_PICTURE', reason), { cause });
  }
}

function checkBody(body: string): void {
  if (body.length > maxBody)
    throw coded('ERR_HOROBALL_PICTURE', `its ${body.length} characters exceed the limit of ${maxBody}`);
  if (externalReferences.some((pattern) => pattern.test(body)))
    throw coded('ERR_HOROBALL_PICTURE', 'it has external references');
}

/** Returns the complete SVG. A drawing that is not square is centered. */
export function svgOf(
  { body, left, top, width, height, hFlip, vFlip, rotate }: Drawing,
  size: number,
): string {
  const center = `${left + width / 2} ${top + height / 2}`;
  const turn = rotate % 4 === 0 ? '' : ` rotate(${90 * (rotate % 4)})`;
  const back = `${-(left + width / 2)} ${-(top + height / 2)}`;
  const plain = !hFlip && !vFlip && turn === '';
  const placed = plain
    ? body
    : `<g transform="translate(${center})${turn} scale(${hFlip ? -1 : 1} ${vFlip ? -1 : 1}) translate(${back})">${body}</g>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size}" height="${size}" viewBox="${left} ${top} ${width} ${height}">${placed}</svg>`;
}
