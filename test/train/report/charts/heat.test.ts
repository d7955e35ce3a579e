import test from 'ava';
import { heatMap } from '../../../../lib/train/report/charts/heat.ts';
import { contrast, heatLuminance } from '../../../../lib/train/report/run/contrast.ts';

test('every cell of a heat map is legible in light and dark', (t) => {
  t.is(contrast(0, 1), 21);
  const values = Array.from({ length: 201 }, (_, i) => i / 200);
  const { text } = heatMap('a', { name: 'b', values }, [{ name: 'c', values }]);
  const cells = [...text.matchAll(/--heat:([\d.]+);--ink-light:(#\w+);--ink-dark:(#\w+)/g)];
  t.is(cells.length, values.length);
  for (const [, share, light, dark] of cells) {
    for (const [scheme, ink] of [
      ['light', light],
      ['dark', dark],
    ] as const) {
      const found = contrast(heatLuminance(Number(share), scheme), ink === '#fff' ? 1 : 0);
      t.true(found >= 4.5, `${ink} on ${share} in ${scheme}: ${found}`);
    }
  }
});
