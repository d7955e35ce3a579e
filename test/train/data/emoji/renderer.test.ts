import test from 'ava';
import { loadSharp } from '../../../../lib/io/sharp.ts';
import { Renderer } from '../../../../lib/train/data/emoji/renderer.ts';

const upright = { left: 0, top: 0, width: 16, height: 16, hFlip: false, vFlip: false, rotate: 0 };
const square = { ...upright, body: '<rect width="16" height="16" fill="#f00"/>' };
/** A drawing that takes minutes to render, although its size and its references are within the limits. */
const endless = {
  ...upright,
  body: `<filter id="a">${'<feTurbulence baseFrequency=".5" numOctaves="9"/>'.repeat(10_000)}</filter><rect width="16" height="16" filter="url(#a)"/>`,
};

test.serial('renders drawings concurrently, and returns each to its caller', async (t) => {
  const renderer = new Renderer();
  t.teardown(() => renderer.close());
  const colors = ['#f00', '#0f0', '#00f', '#fff'];
  const files = await Promise.all(
    colors.map((fill) =>
      renderer.render({ ...upright, body: `<rect width="16" height="16" fill="${fill}"/>` }, 4),
    ),
  );
  const sharp = await loadSharp();
  for (const [i, file] of files.entries()) {
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    t.deepEqual([info.width, info.height], [4, 4]);
    const first = [...data.subarray(0, 3)].map((value) => (value === 255 ? 'f' : '0')).join('');
    t.is(`#${first}`, colors[i]!);
  }
});

test.serial('gives up a drawing that takes too long, and renders the next one', async (t) => {
  const renderer = new Renderer(3);
  t.teardown(() => renderer.close());
  await t.throwsAsync(renderer.render(endless, 512), {
    code: 'ERR_HOROBALL_PICTURE',
    message: 'rendering took more than 3 s',
  });
  t.truthy(await renderer.render(square, 16));
});

test.serial('the error for a rejected drawing keeps its code and reason', async (t) => {
  const renderer = new Renderer();
  t.teardown(() => renderer.close());
  await t.throwsAsync(renderer.render({ ...upright, body: '<image href="a.png"/>' }, 16), {
    code: 'ERR_HOROBALL_PICTURE',
    message: 'it has external references',
  });
  await t.throwsAsync(renderer.render({ ...upright, body: '<rect' }, 16), { code: 'ERR_HOROBALL_PICTURE' });
});

test.serial('closing a renderer rejects the drawing in progress', async (t) => {
  const renderer = new Renderer();
  const drawing = renderer.render(endless, 512);
  setTimeout(() => renderer.close(), 500);
  await t.throwsAsync(drawing, { code: 'ERR_HOROBALL_PICTURE', message: /exited unexpectedly/ });
});
