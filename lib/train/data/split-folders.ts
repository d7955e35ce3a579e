/** Detects the split folders of a data set by their names. */
import { coded } from '../../errors.ts';

/** Roles of split folders by lowercase name. The splits in CSV files have the same roles, except `gallery`. */
export const splitRoles: ReadonlyMap<string, 'train' | 'test' | 'validation'> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['test', 'test'],
  ['testing', 'test'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['dev', 'validation'],
  ['query', 'test'],
  ['gallery', 'test'],
]);

export interface SplitFolders {
  /** Names of the split folders; undefined if the top-level folders are classes. */
  splits: { train: string; test: string } | undefined;
  warnings: string[];
}

/**
 * Finds the splits among the top-level folders of a data set.
 *
 * @param names - names of all top-level folders
 * @param isClass - whether a folder directly contains images, so that it is a class regardless of its name
 * @throws `ERR_HOROBALL_DATA_LAYOUT` if folders are named like splits but do not form `train` and `test`, or
 * `train` and one validation split
 */
export async function splitFolders(
  root: string,
  names: readonly string[],
  isClass: (name: string) => Promise<boolean>,
): Promise<SplitFolders> {
  const splits: string[] = [];
  for (const name of names)
    if (splitRoles.has(name.toLowerCase()) && !(await isClass(name))) splits.push(name);
  const others = names.filter((name) => !splits.includes(name));
  if (splits.length === 0) return { splits: undefined, warnings: similarNames(others) };
  const of = (role: string): string[] => splits.filter((name) => splitRoles.get(name.toLowerCase()) === role);
  const [train, test, validation] = [of('train'), of('test'), of('validation')];
  const tested = test.length > 0 ? test : validation;
  if (train.length !== 1 || tested.length !== 1) throw unknownLayout(root, splits);
  const warnings = [];
  if (test.length === 0) warnings.push(`no folder is named test, so ${tested[0]} is the test split`);
  const unused = names.filter((name) => name !== train[0] && name !== tested[0]);
  if (unused.length > 0) warnings.push(`${quoted(unused)} not used`);
  return { splits: { train: train[0]!, test: tested[0]! }, warnings };
}

/** Warns about folders such as `train_images`, which are read as classes but may be splits. */
function similarNames(names: readonly string[]): string[] {
  const like = names.filter((name) =>
    name
      .toLowerCase()
      .split(/[^a-z]+/)
      .some((word) => splitRoles.has(word) && word !== name.toLowerCase()),
  );
  if (like.length === 0) return [];
  const advice =
    like.length === 1
      ? 'if it is a split, rename it to train or test'
      : 'if they are splits, rename them to train and test';
  return [`${quoted(like)} read as classes; ${advice}`];
}

/** Formats the folders as the subject of a sentence, with "is" or "are". */
function quoted(names: readonly string[]): string {
  if (names.length === 1) return `the folder ${names[0]} is`;
  const shown = names.slice(0, 5).join(', ');
  return `the folders ${names.length > 5 ? `${shown} and ${names.length - 5} more` : shown} are`;
}

function unknownLayout(root: string, splits: readonly string[]): Error {
  const message = `[data] path: expected the folders train and test, got ${splits.join(', ')} in ${root}. Add the missing folder or rename the existing ones, or pass the folder that contains the class folders.`;
  return coded('ERR_HOROBALL_DATA_LAYOUT', message);
}
