import path from 'node:path';
import test from 'ava';
import { readDrawings, readUnicode, slug } from '../../../../lib/train/data/emoji/read.ts';
import { temporary, writeTree } from '../support.ts';
import { from } from './packages-copy.ts';

test('a slug has lowercase letters, digits and hyphens only', (t) => {
  t.is(slug('../../etc/passwd'), 'etc-passwd');
  t.is(slug('Piñata & keycap: #'), 'pinata-and-keycap-hash');
  t.is(slug('keycap: *'), 'keycap-asterisk');
  t.is(slug("woman’s hat, man's shoe"), 'womans-hat-mans-shoe');
  t.is(slug('…'), '');
  for (const label of ['Å ß', '  a  b ', '-x-', 'UP!']) t.regex(slug(label), /^[a-z0-9]+(-[a-z0-9]+)*$/);
});

test('emoji are read in the order of Unicode, without components and ungrouped emoji', async (t) => {
  const emoji = await readUnicode(path.join(from, 'emojibase-data'));
  const names = emoji.map(({ name }) => name);
  t.is(names[0], 'grinning-face');
  t.is(names.at(-1), 'flag-france');
  t.is(names.length, 12);
  t.false(names.includes('red-hair'), 'a component');
  t.false(names.includes('regional-indicator-a'), 'no group');
  const keycap = { name: 'keycap-hash', codepoints: '0023-20e3', group: 'symbols', subgroup: 'keycap' };
  t.deepEqual(
    emoji.find(({ name }) => name === 'keycap-hash'),
    keycap,
    'no variation selector',
  );
});

/** Writes an emoji set with these icons, and reads its drawings. */
async function drawings(t: Parameters<typeof temporary>[0], icons: object, chars: object = {}) {
  const folder = await temporary(t);
  await writeTree(folder, { 'icons.json': JSON.stringify(icons), 'chars.json': JSON.stringify(chars) });
  return await readDrawings(folder);
}

const body = '<path/>';
const upright = { left: 0, top: 0, width: 16, height: 16, hFlip: false, vFlip: false, rotate: 0 };

test('an icon has the size of its set unless it has its own', async (t) => {
  const { named } = await drawings(t, { icons: { a: { body }, b: { body, width: 8 } }, width: 24, top: 1 });
  t.deepEqual(named.get('a'), { ...upright, body, width: 24, top: 1 });
  t.deepEqual(named.get('b'), { ...upright, body, width: 8, top: 1 });
  const plain = await drawings(t, { icons: { a: { body } } });
  t.deepEqual(plain.named.get('a'), { ...upright, body });
});

test('composes flips and rotations of aliases, also through an alias of an alias', async (t) => {
  const aliases = {
    once: { parent: 'a', hFlip: true, rotate: 3 },
    twice: { parent: 'once', hFlip: true, rotate: 2 },
    lost: { parent: 'missing' },
  };
  const { named } = await drawings(t, { icons: { a: { body } }, aliases });
  t.deepEqual(named.get('once'), { ...upright, body, hFlip: true, rotate: 3 });
  t.deepEqual(named.get('twice'), { ...upright, body, rotate: 1 });
  t.false(named.has('lost'));
});

test('compares code points without variation selectors and case', async (t) => {
  const { codepoints } = await drawings(t, { icons: {} }, { '0023-FE0F-20E3': 'keycap', '1F600': 'grin' });
  t.deepEqual(
    [...codepoints],
    [
      ['0023-20e3', 'keycap'],
      ['1f600', 'grin'],
    ],
  );
});

test('the error for a file with other contents names the file and the field', async (t) => {
  const damaged = (message: RegExp) => ({ code: 'ERR_HOROBALL_FORMAT', message });
  await t.throwsAsync(
    drawings(t, { icons: { a: { body, width: -1 } } }),
    damaged(/icons\.json.*icons\.a\.width/),
  );
  await t.throwsAsync(drawings(t, { icons: {} }, { a: 1 }), damaged(/chars\.json.*a: /));
  const folder = await temporary(t);
  await t.throwsAsync(readDrawings(folder), {
    code: 'ERR_HOROBALL_DATA_READ',
    message: /expected a readable file, got .*icons\.json/,
  });
  await writeTree(folder, {
    'en/data.json': JSON.stringify([{ hexcode: '../x', label: 'a' }]),
    'meta/groups.json': '{}',
  });
  await t.throwsAsync(readUnicode(folder), damaged(/data\.json.*0\.hexcode/));
});

test('ignores groups named like properties of Object.prototype, and overlong names', async (t) => {
  const folder = await temporary(t);
  const read = async (more: object) => {
    const emoji = { hexcode: '1F600', label: 'x', group: 0, subgroup: 0, ...more };
    await writeTree(folder, {
      'en/data.json': JSON.stringify([emoji]),
      'meta/groups.json': JSON.stringify({ groups: { 0: 'a' }, subgroups: { 0: 'b' } }),
    });
    return (await readUnicode(folder)).length;
  };
  t.is(await read({}), 1);
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.is(await read({ group: name }), 0);
    t.is(await read({ subgroup: name }), 0);
  }
  for (const more of [{ label: '&'.repeat(1e6) }, { hexcode: `1${'-1'.repeat(1e6)}` }])
    await t.throwsAsync(read(more), { code: 'ERR_HOROBALL_FORMAT', message: /Too big/ });
});
