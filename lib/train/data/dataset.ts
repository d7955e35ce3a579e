import { coded } from '../../errors.ts';
import { cars, carsOfficial } from './cars.ts';
import { csv } from './csv.ts';
import { cub, cubOfficial } from './cub.ts';
import { imageFolder } from './folder.ts';
import { inshop } from './inshop.ts';
import { shapes } from './shapes.ts';
import { sop } from './sop.ts';

/** One picture and its class. */
export interface Sample {
  /** Absolute path of the file. */
  path: string;
  /** Index into the split's `classes`. */
  label: number;
}

/** Pictures and the classes that they are of. */
export interface Split {
  classes: string[];
  samples: Sample[];
  /** For each class its ancestors up the class tree, nearest first; absent when the data set has no tree. */
  parents?: string[][];
}

export interface Dataset {
  name: string;
  /** Absolute path. */
  root: string;
  train: Split;
  test: Split;
  /** Where the test split is a list of queries: what they are looked up in. */
  gallery?: Split;
  /** The k of Recall@k that are published for it. */
  ks: readonly number[];
  /** Things that a person should know and that do not stop a run, a sentence each. */
  warnings: string[];
}

type Opener = (root: string) => Promise<Dataset>;

const openers: Readonly<Record<string, Opener>> = {
  shapes,
  folder: imageFolder,
  csv,
  CUB: cub,
  'CUB-official': cubOfficial,
  Cars: cars,
  'Cars-official': carsOfficial,
  SOP: sop,
  Inshop: inshop,
};

/** The names that {@link openDataset} knows. */
export const datasetNames: readonly string[] = Object.keys(openers);

/**
 * Lists a data set's pictures; none is read. Classes to train on and classes to test on are disjoint, as deep metric
 * learning has it; the authors' own splits of CUB and Cars, which share classes, are `CUB-official` and
 * `Cars-official`.
 *
 * @param name - one of {@link datasetNames}, in capitals or not
 * @param root - the folder that the data set was unpacked (or made) in, or the one above it; for `csv` the file
 * @throws `ERR_HOROBALL_DATASET` when the name is not known; `ERR_HOROBALL_DATA_...` when the folder does not
 * hold that data set, with what to do about it
 */
export async function openDataset(name: string, root: string): Promise<Dataset> {
  const known = datasetNames.find((each) => each.toLowerCase() === name.toLowerCase());
  if (known === undefined) {
    const names = datasetNames.join(', ');
    throw coded('ERR_HOROBALL_DATASET', `data set '${name}' is not known; the names are ${names}`);
  }
  return openers[known]!(root);
}
