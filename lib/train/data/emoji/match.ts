/** Matches the drawings of several sets to Unicode's emoji: each class is an emoji, and each view is a drawing. */
import { createHash } from 'node:crypto';
import { aliasesOf } from './aliases.ts';
import type { EmojiSet } from './packages.ts';
import type { Drawings, Emoji } from './read.ts';
import type { Drawing } from './svg.ts';

/** One emoji and its drawing in each set. */
export interface EmojiClass {
  emoji: Emoji;
  /** `group/subgroup/name`. */
  label: string;
  /** The drawing of each set, by id. */
  views: Map<string, Drawing>;
}

/** Result of matching Unicode's emoji. */
export interface Matched {
  classes: EmojiClass[];
  /** Number of emoji omitted because a set reuses an earlier drawing, for example that of student for man student. */
  duplicates: number;
  /** Number of emoji that not every set contains, mostly flags. */
  incomplete: number;
}

/** Returns the emoji that all sets contain, except emoji for which a set repeats an earlier drawing. */
export function matchClasses(
  emoji: readonly Emoji[],
  sets: readonly { set: EmojiSet; drawings: Drawings }[],
): Matched {
  const seen = new Set<string>();
  const labels = new Set<string>();
  const matched: Matched = { classes: [], duplicates: 0, incomplete: 0 };
  for (const each of emoji) {
    const views = new Map<string, Drawing>();
    for (const { set, drawings } of sets) {
      const drawing = drawings.named.get(drawings.codepoints.get(each.codepoints) ?? '');
      if (drawing !== undefined) views.set(set.id, drawing);
    }
    const marks = [...views].map(([id, drawing]) => `${id} ${digest(drawing)}`);
    const duplicate = marks.some((mark) => seen.has(mark));
    for (const mark of marks) seen.add(mark);
    if (views.size < sets.length) matched.incomplete++;
    else if (duplicate) matched.duplicates++;
    else matched.classes.push({ emoji: each, label: labelOf(each, labels), views });
  }
  return matched;
}

/**
 * Finds the drawings of an additional set for classes that already exist; a class may have none.
 * @param related - the drawings of the set that provides the code points, if `set` does not include them
 */
export function matchExtra(
  classes: readonly EmojiClass[],
  set: EmojiSet,
  drawings: Drawings,
  related?: Drawings,
): Map<EmojiClass, Drawing> {
  const aliases = new Map(Object.entries(aliasesOf(set.id)));
  const joined = new Map([...drawings.named].map(([name, drawing]) => [withoutHyphens(name), drawing]));
  const found = classes.flatMap((each) => {
    const { codepoints, name } = each.emoji;
    const known = set.codepoints === 'names' ? aliases.get(name) : related?.codepoints.get(codepoints);
    const drawing = drawings.named.get(known ?? name) ?? joined.get(withoutHyphens(name));
    return drawing === undefined ? [] : [[each, drawing] as const];
  });
  return new Map(found);
}

function labelOf({ group, subgroup, name, codepoints }: Emoji, taken: Set<string>): string {
  const plain = `${group}/${subgroup}/${name}`;
  const label = taken.has(plain) ? `${plain}-${codepoints}` : plain;
  taken.add(label);
  return label;
}

function withoutHyphens(name: string): string {
  return name.replaceAll('-', '');
}

function digest(drawing: Drawing): string {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(drawing).sort()))
    .digest('base64');
}
