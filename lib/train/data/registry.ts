import { checkText, filePath } from '../../check.ts';
import { coded, quoted } from '../../errors.ts';
import { cars, carsOfficial } from './cars.ts';
import { csv } from './csv.ts';
import { cub, cubOfficial } from './cub.ts';
import { emoji, emojiSubgroups } from './emoji/dataset.ts';
import { folder } from './folder.ts';
import { inshop } from './inshop.ts';
import { shapes } from './shapes.ts';
import { sop } from './sop.ts';
import type { Dataset, DatasetRecord } from './types.ts';

/** All data sets, in the order in which help texts list them. */
export const datasets: readonly DatasetRecord[] = [
  shapes,
  folder,
  csv,
  cub,
  cubOfficial,
  cars,
  carsOfficial,
  sop,
  inshop,
  emoji,
  emojiSubgroups,
];

/** The names accepted by {@link openDataset}. */
export const datasetNames: readonly string[] = Object.freeze(datasets.map(({ name }) => name));

/** Returns the record of a data set by its name in any case; undefined if the name is unknown. */
export function findDataset(name: string): DatasetRecord | undefined {
  return datasets.find((each) => each.name.toLowerCase() === name.toLowerCase());
}

/**
 * Lists the images of a data set without reading them. Training and test classes are disjoint, except in the authors' own
 * splits of CUB and Cars (`CUB-official`, `Cars-official`) and possibly in a `folder` or `csv` that defines its own splits.
 *
 * @param name - one of {@link datasetNames}, in any case
 * @param root - the folder of the data set; also its parent, except for `shapes` and `folder`; for `csv`, the file
 * @throws `ERR_HOROBALL_DATASET` for an unknown name; `ERR_HOROBALL_DATA_READ`, `ERR_HOROBALL_DATA_EMPTY` or
 * `ERR_HOROBALL_DATA_LAYOUT` if the folder does not contain that data set
 * @example
 * const { train, test, ks } = await openDataset('CUB', 'data');
 */
export async function openDataset(name: string, root: string): Promise<Dataset> {
  const record = findDataset(checkText('openDataset', 'name', name));
  filePath('openDataset', 'root', root);
  if (record !== undefined) return record.open(root);
  const names = datasetNames.join(', ');
  throw coded('ERR_HOROBALL_DATASET', `[data] ds: expected one of ${names}, got ${quoted(name)}`);
}
