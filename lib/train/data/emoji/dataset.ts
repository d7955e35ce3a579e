/** Opens the `emoji` data set with either of its two splits. */
import path from 'node:path';
import { runSteps, type Steps } from '../../../call/run.ts';
import { forEach } from '../../../call/slices.ts';
import { coded } from '../../../errors.ts';
import { damaged } from '../../../io/json.ts';
import { shellWord } from '../../../io/shell.ts';
import { readText } from '../../../io/text.ts';
import { csvRows } from '../csv-parser.ts';
import { lostWarnings, readManifest } from '../made-folder.ts';
import { defaultKs, groupsOf, regrouped, singleImageWarnings } from '../split.ts';
import type { Dataset, DatasetRecord, Split } from '../types.ts';
import { listNames } from './lists.ts';
import { manifestName } from './make.ts';

export const emoji: DatasetRecord = {
  name: 'emoji',
  description: 'emoji in several drawing styles; half of the emoji for testing',
  open: (root) => opened('emoji', root, listNames.emoji),
};

/** The images of `emoji`, split by subgroup: no emoji of a test subgroup is in the training split. */
export const emojiSubgroups: DatasetRecord = {
  name: 'emoji-subgroups',
  description: "the same images as emoji; half of Unicode's subgroups for testing",
  open: (root) => opened('emoji-subgroups', root, listNames.subgroups),
};

async function opened(name: string, root: string, list: string): Promise<Dataset> {
  const where = await locate(path.resolve(root));
  const file = path.join(where, list);
  const text = await readText(file, maxBytes);
  const splits = await runSteps('data', undefined, function* () {
    const images = yield* imagesIn(text, file);
    const of = function* (wanted: string): Steps<Split> {
      const chosen = images.filter(({ split }) => split === wanted);
      return withParents(yield* regrouped(chosen, yield* groupsOf(chosen), String));
    };
    return { train: yield* of('train'), test: yield* of('test') };
  });
  const wanted = (await readManifest(where, manifestName))?.['images'];
  const warnings = [...lostWarnings(where, wanted, splits), ...singleImageWarnings(splits)];
  return { name, root: where, ...splits, ks: [...defaultKs], warnings };
}

/** Limits of a list, far above the lists that horoball writes; a row has about a hundred bytes. */
const maxBytes = 2 ** 24;
const maxRows = 2 ** 17;

interface Listed {
  path: string;
  group: string;
  split: string;
}

function* imagesIn(text: string, file: string): Steps<Listed[]> {
  const images: Listed[] = [];
  yield* forEach(csvRows(text, file), ([at = '', group = '', split = ''], row) => {
    if (row === 0) return; // the heading
    if (row > maxRows) throw damaged(file, `it has more than ${maxRows} rows`);
    images.push({ path: path.join(path.dirname(file), at), group, split });
  });
  return images;
}

/** Adds the ancestors of each class; those of `group/subgroup/emoji` are `group/subgroup` and `group`. */
function withParents(split: Split): Split {
  const parents = split.classes.map((label) => {
    const [group = '', subgroup = ''] = label.split('/');
    return [`${group}/${subgroup}`, group];
  });
  return { ...split, parents, levels: ['subgroup', 'group'] };
}

/**
 * Returns the folder of the data set: `root`, or its subfolder `emoji`, because the default of --path is the folder that
 * contains all data sets.
 */
async function locate(root: string): Promise<string> {
  for (const folder of [root, path.join(root, 'emoji')])
    if ((await readManifest(folder, manifestName)) !== undefined) return folder;
  const out = path.basename(root) === 'emoji' ? root : path.join(root, 'emoji');
  const command = `npx horoball data emoji --out ${shellWord(path.relative('.', out))}`;
  const message = `[data] path: expected the emoji data set, got ${root}. Create it with ${command}.`;
  throw coded('ERR_HOROBALL_DATA_READ', message);
}
