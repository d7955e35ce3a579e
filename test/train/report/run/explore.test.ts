import { Script } from 'node:vm';
import test from 'ava';
import { hasClosedForm } from '../../../../lib/train/measure/closed-forms.ts';
import { trainedGeometries } from '../../../../lib/train/options/define.ts';
import { explorePage } from '../../../../lib/train/report/run/explore.ts';
import { statedError } from '../../../tolerances.ts';

const page = explorePage();

test('the page is a single file without external resources, and defines everything that its script uses', (t) => {
  t.notRegex(page, /(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|<link/i);
  const ids = new Set([...page.matchAll(/ id="(\w+)"/g)].map(([, id]) => id!));
  for (const [, id] of page.matchAll(/\b(?:draw|at)\('(\w+)'/g)) t.true(ids.has(id!), id);
  t.true(ids.has('shares'));
});

test('sliders start inside their ranges, on a logarithmic scale', (t) => {
  const pattern =
    /<output for="(\w+)">([\d.]+)<\/output><input type="range" id="\1" min="(\S+)" max="(\S+)" .*? value="(\S+)"/g;
  const sliders = [...page.matchAll(pattern)];
  t.is(sliders.length, 5);
  for (const [, name, shown, min, max, value] of sliders) {
    t.true(Number(min) < Number(value) && Number(value) < Number(max), name);
    t.true(Math.abs(Math.exp(Number(value)) / Number(shown) - 1) < statedError.shown, name);
  }
});

/**
 * Runs the script of the page with a fake document that has only the sliders.
 *
 * @returns the rows of the table
 */
function shares(): string[][] {
  const elements = new Map<string, { value: string; innerHTML: string }>();
  const element = (id: string) => {
    const value = new RegExp(`id="${id}"[^>]* value="([^"]*)"`).exec(page)?.[1] ?? '';
    if (!elements.has(id)) elements.set(id, { value, innerHTML: '' });
    return elements.get(id)!;
  };
  const document = {
    getElementById: element,
    querySelectorAll: () => [],
    querySelector: (selector: string) => Object.assign(element(selector), { addEventListener: () => {} }),
  };
  const source = page.slice(page.indexOf('const headConstants'), page.lastIndexOf('</script>'));
  new Script(source).runInNewContext({ document });
  const rows = element('#shares tbody').innerHTML.split('</tr>').slice(0, -1);
  return rows.map((row) => [
    ...[...row.matchAll(/<\/i>(\w+)</g)].map(([, name]) => name!),
    ...[...row.matchAll(/<td>([^<]*)</g)].map(([, cell]) => cell!),
  ]);
}

test('the script fills one row per geometry from the closed forms', (t) => {
  const rows = shares();
  t.deepEqual(
    rows.map(([name]) => name),
    trainedGeometries.filter(hasClosedForm),
  );
  const [, euclidean, hyperbolic] = rows as [string[], string[], string[]];
  t.deepEqual(
    euclidean.slice(-3),
    ['0.1', '0.1', '0.1'],
    'the temperature of the cosine, whatever the cosine',
  );
  t.deepEqual(hyperbolic.slice(-3), ['0.042', '0.099', '0.15']);
  for (const [name, ...cells] of rows) {
    t.is(cells.length, 6, name);
    const [effective, hardest1, hardest10] = cells.map(Number.parseFloat) as [number, number, number];
    t.true(effective > 0 && effective < 100 && hardest1 > 1 && hardest1 < hardest10, `${name} ${cells}`);
  }
});
