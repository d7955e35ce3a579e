/** Types of data sets and batches. */

/** One image and its class. */
export interface Sample {
  /** Absolute path of the file. */
  path: string;
  /** Index into the split's `classes`. */
  label: number;
}

/** Images and their classes. */
export interface Split {
  /** Class names by label. */
  classes: string[];
  samples: Sample[];
  /** The ancestors of each class in the class tree, nearest first; absent without a tree. */
  parents?: string[][];
  /** Names of the ancestors' levels in the singular, nearest first; absent if the levels are not named. */
  levels?: readonly string[];
}

/** A data set: lists of image files, which are read by `ImageLoader`. */
export interface Dataset {
  name: string;
  /** Absolute path. */
  root: string;
  train: Split;
  test: Split;
  /** Images to search if the test split is a list of queries. */
  gallery?: Split;
  /** The values of k in Recall@k: those published for the data set, or 1, 2, 4 and 8. */
  ks: readonly number[];
  /** Notes that do not stop a run, one sentence each. */
  warnings: string[];
}

/** Numbers of images and classes in a split. */
export interface Count {
  images: number;
  classes: number;
}

export type Counts = Partial<Record<'train' | 'test' | 'gallery', Count>>;

/** The description of a data set, and functions that generate and open it. registry.ts lists all records. */
export interface DatasetRecord {
  /** The name in `--ds`. */
  readonly name: string;
  /** A one-line description for help texts. */
  readonly description: string;
  /** Description of the path of the data set, if the path is not a folder. */
  readonly path?: string;
  /** The published counts; `open` warns if the counts differ. */
  readonly counts?: Counts;
  /** Generates the images if the folder does not have them; no files remain after an abort. */
  readonly generate?: (
    root: string,
    hooks: { onProgress: (done: number, total: number) => void; signal: AbortSignal },
  ) => Promise<void>;
  /** Lists the images without reading them. */
  readonly open: (root: string) => Promise<Dataset>;
}

/** A batch of images and their classes. */
export interface LabeledBatch {
  /** count x size x size x 3 bytes: RGB, channels last. */
  images: Uint8Array;
  count: number;
  /** Side length of the images in pixels. */
  size: number;
  /** One label per image, in any order; the loss needs the same number of images per class. */
  labels: Int32Array;
}
