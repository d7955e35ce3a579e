import test from 'ava';
import { loadSharp } from '../../../../lib/io/sharp.ts';
import { type Drawing, renderDrawing, svgOf } from '../../../../lib/train/data/emoji/svg.ts';

const upright = { left: 0, top: 0, width: 16, height: 16, hFlip: false, vFlip: false, rotate: 0 };

test('applies flips and quarter turns of an alias, and centers drawings that are not square', async (t) => {
  const corner = { ...upright, body: '<rect width="8" height="8" fill="#000"/>' };
  const sharp = await loadSharp();
  /** Returns an `x` per dark quarter and a dot per light one: upper left, upper right, lower left, lower right. */
  const dark = async (drawing: Drawing): Promise<string> => {
    const pixels = await sharp(await renderDrawing(drawing, 16))
      .raw()
      .toBuffer();
    return [
      [4, 4],
      [12, 4],
      [4, 12],
      [12, 12],
    ]
      .map(([x, y]) => (pixels[3 * (16 * y! + x!)]! < 128 ? 'x' : '.'))
      .join('');
  };
  t.is(await dark(corner), 'x...');
  t.is(await dark({ ...corner, hFlip: true }), '.x..');
  t.is(await dark({ ...corner, vFlip: true }), '..x.');
  t.is(await dark({ ...corner, rotate: 1 }), '.x..');
  t.is(await dark({ ...corner, rotate: 2 }), '...x');
  t.is(await dark({ ...corner, hFlip: true, rotate: 1 }), '...x');
  const wide = { ...upright, width: 32, body: '<rect width="32" height="16" fill="#000"/>' };
  const pixels = await sharp(await renderDrawing(wide, 16))
    .raw()
    .toBuffer();
  t.deepEqual([pixels[0], pixels[3 * (16 * 8 + 1)]], [255, 0], 'white above it, and its middle is filled');
});

test('a drawing with external references is rejected before it is rendered', async (t) => {
  const outside = [
    '<image href="a.png"/>',
    '<svg:image/>',
    '<use xlink:href = "http://example.org/a.svg#b"/>',
    '<rect fill="url( http://example.org/a.svg#b)"/>',
    '<foreignObject/>',
    '<style>*{}</style>',
    '<?xml-stylesheet href="a.css"?>',
    '<!DOCTYPE svg>',
  ];
  for (const body of outside)
    await t.throwsAsync(renderDrawing({ ...upright, body }, 16), {
      code: 'ERR_HOROBALL_PICTURE',
      message: 'it has external references',
    });
  const inside = '<defs><path id="a" d="M0 0h8v8z"/></defs><use href="#a"/><rect fill="url(#b)"/>';
  await t.notThrowsAsync(renderDrawing({ ...upright, body: inside }, 16));
  const body = ' '.repeat((1 << 20) + 1);
  await t.throwsAsync(renderDrawing({ ...upright, body }, 16), { message: /characters exceed the limit/ });
});

test('a drawing without rotation is written unchanged', (t) => {
  const body = '<path d="M0 0"/>';
  t.true(svgOf({ ...upright, rotate: 4, body }, 16).includes(`>${body}</svg>`));
  t.regex(
    svgOf({ ...upright, left: -2, width: 20, rotate: 5, body }, 16),
    /viewBox="-2 0 20 16".*rotate\(90\)/,
  );
});
