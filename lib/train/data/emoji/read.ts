/** Reads and validates the JSON files of the packages: Unicode's emoji and the drawings of the sets. */
import path from 'node:path';
import { z } from 'zod';
import { coded } from '../../../errors.ts';
import { reasonOf } from '../../../io/file-errors.ts';
import { parsedJson } from '../../../io/json.ts';
import { checkedBy } from '../../../io/read-back.ts';
import { readText } from '../../../io/text.ts';
import type { Drawing } from './svg.ts';

/** Maximum file size; the largest file of the pinned packages is 104 MB. */
const maxBytes = 1 << 28;

const maxName = 256;

/** A Unicode emoji, without its skin-tone variants. */
export interface Emoji {
  /** Code points in lowercase hexadecimal, joined by hyphens, without variation selectors. */
  codepoints: string;
  /** A folder name such as `grinning-face`. */
  name: string;
  group: string;
  subgroup: string;
}

const id = z.union([z.number(), z.string()]);
const emojiSchema = z.looseObject({
  hexcode: z
    .string()
    .max(maxName)
    .regex(/^[0-9A-Fa-f]+(-[0-9A-Fa-f]+)*$/),
  label: z.string().max(maxName),
  group: id.optional(),
  subgroup: id.optional(),
  order: z.number().optional(),
});
const groupsSchema = z.looseObject({
  groups: z.record(z.string(), z.string().max(maxName)),
  subgroups: z.record(z.string(), z.string().max(maxName)),
});

/** Reads the emoji from `emojibase-data` in Unicode order, without skin tones, hair styles and other components. */
export async function readUnicode(folder: string): Promise<Emoji[]> {
  const list = await readChecked(path.join(folder, 'en', 'data.json'), z.array(emojiSchema));
  const names = await readChecked(path.join(folder, 'meta', 'groups.json'), groupsSchema);
  // Unlike an object, a Map has no inherited entries such as `constructor`.
  const [groups, subgroups] = [names.groups, names.subgroups].map((each) => new Map(Object.entries(each)));
  const ordered = list.toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0));
  return ordered.flatMap(({ hexcode, label, group, subgroup }) => {
    const [above, within] = [groups!.get(String(group)), subgroups!.get(String(subgroup))];
    if (above === undefined || within === undefined || above === 'component') return [];
    return [
      {
        codepoints: normalizedCodepoints(hexcode),
        name: slug(label),
        group: slug(above),
        subgroup: slug(within),
      },
    ];
  });
}

/** Converts code points to lower case, and removes U+FE0F (color presentation), which sets use inconsistently. */
function normalizedCodepoints(hexcode: string): string {
  const points = hexcode.toLowerCase().split('-');
  return points.filter((point) => point !== 'fe0f').join('-');
}

/** Reduces a label to lowercase letters, digits and hyphens, so that it is safe as a folder name. */
export function slug(label: string): string {
  const plain = label.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  const spelled = plain.replaceAll('&', ' and ').replaceAll('#', ' hash ').replaceAll('*', ' asterisk ');
  return spelled
    .replace(/['’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** The drawings of one set. */
export interface Drawings {
  /** Drawings by icon name. */
  named: ReadonlyMap<string, Drawing>;
  /** Icon names by code points; empty for sets that only have names. */
  codepoints: ReadonlyMap<string, string>;
}

const side = { left: z.number().optional(), top: z.number().optional() };
const extent = { width: z.number().positive().optional(), height: z.number().positive().optional() };
const turned = { hFlip: z.boolean().optional(), vFlip: z.boolean().optional(), rotate: z.int().optional() };
const placed = { ...side, ...extent, ...turned };
const iconsSchema = z.looseObject({
  icons: z.record(z.string(), z.looseObject({ body: z.string(), ...placed })),
  aliases: z.record(z.string(), z.looseObject({ parent: z.string(), ...placed })).optional(),
  ...side,
  ...extent,
});

/** Reads the drawings of a set from icons.json, and their code points from chars.json. Omits aliases of unknown icons. */
export async function readDrawings(folder: string): Promise<Drawings> {
  const set = await readChecked(path.join(folder, 'icons.json'), iconsSchema);
  const chars = await readChecked(path.join(folder, 'chars.json'), z.record(z.string(), z.string()));
  const standard = {
    left: set.left ?? 0,
    top: set.top ?? 0,
    width: set.width ?? 16,
    height: set.height ?? 16,
  };
  const upright = { hFlip: false, vFlip: false, rotate: 0 };
  const named = new Map<string, Drawing>();
  for (const [name, icon] of Object.entries(set.icons))
    named.set(name, { ...standard, ...upright, ...defined(icon) });
  for (const [name, { parent, ...change }] of Object.entries(set.aliases ?? {})) {
    const original = named.get(parent);
    if (original !== undefined) named.set(name, altered(original, defined(change)));
  }
  const codepoints = Object.entries(chars).map(([key, name]) => [normalizedCodepoints(key), name] as const);
  return { named, codepoints: new Map(codepoints) };
}

/** Returns the drawing of an alias: the original with the changes of the alias, and with the flips and rotations of both. */
function altered(original: Drawing, change: Partial<Drawing>): Drawing {
  return {
    ...original,
    ...change,
    hFlip: original.hFlip !== (change.hFlip ?? false),
    vFlip: original.vFlip !== (change.vFlip ?? false),
    rotate: (original.rotate + (change.rotate ?? 0)) % 4,
  };
}

const keys = ['body', 'left', 'top', 'width', 'height', 'hFlip', 'vFlip', 'rotate'] as const;

function defined(from: object): Drawing {
  const given = from as Partial<Drawing>;
  return Object.fromEntries(
    keys.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]),
  ) as unknown as Drawing;
}

async function readChecked<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  return checkedBy(schema, parsedJson(await readPackageFile(file), file), file);
}

async function readPackageFile(file: string): Promise<string> {
  try {
    return await readText(file, maxBytes);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    const message = `[data emoji] --from: expected a readable file, got ${file} (${reasonOf(cause)}). Install the package again.`;
    throw Object.assign(coded('ERR_HOROBALL_DATA_READ', message), { cause });
  }
}
