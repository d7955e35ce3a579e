/** Shapes of real runs; every bench names the shape it uses. */

/** A training batch: row = class * views + view. */
export interface BatchShape {
  readonly name: string;
  readonly classes: number;
  readonly views: number;
  readonly dim: number;
}

/** A batch of classes of 1 to `most` rows. */
export interface RaggedShape {
  readonly name: string;
  readonly rows: number;
  readonly most: number;
  readonly dim: number;
}

/** A batch, and proxies that it is compared with. */
export interface ProxyShape {
  readonly name: string;
  readonly rows: number;
  readonly proxies: number;
  readonly dim: number;
}

/** One or two sets of points. */
export interface MatrixShape {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
}

/** A test set, ordered by class. */
export interface EvaluationShape extends MatrixShape {
  readonly perClass: number;
}

/** The published CUB batch. */
export const cub: BatchShape = { name: 'cub', classes: 100, views: 9, dim: 128 };
/** The published SOP batch. */
export const sop: BatchShape = { name: 'sop', classes: 450, views: 2, dim: 128 };
/** Batches like those of a random sampler, with few and with many rows per class. */
export const ragged: RaggedShape = { name: 'ragged', rows: 900, most: 5, dim: 128 };
export const raggedSmall: RaggedShape = { name: 'ragged-small', rows: 256, most: 5, dim: 128 };
export const multiPositive: RaggedShape = { name: 'multi-positive', rows: 900, most: 30, dim: 128 };
/** One batch, and approximately as many proxies as SOP has training classes. */
export const manyProxies: ProxyShape = { name: 'many-proxies', rows: 512, proxies: 10_000, dim: 128 };
/** The published SOP test set. */
export const retrieval: MatrixShape = { name: 'retrieval', rows: 60_502, dim: 128 };
/** A test set with approximately CUB's class sizes. */
export const cubTest: EvaluationShape = { name: 'cub-test', rows: 5924, dim: 128, perClass: 59 };
/** A test set with approximately SOP's class sizes. */
export const sopTest: EvaluationShape = { name: 'sop-test', rows: 60_502, dim: 128, perClass: 5 };
/** Features of a ViT-S backbone. */
export const vitS: MatrixShape = { name: 'vit-s', rows: 4096, dim: 384 };
/** Shapes of distance matrices: the rows of one batch, and a larger set. */
export const batch: MatrixShape = { name: 'batch', rows: 900, dim: 128 };
export const square: MatrixShape = { name: 'square', rows: 2048, dim: 128 };

/** The published CUB settings of the loss. */
export const lossSettings = { tauE: 0.05, tauH: 0.2, lambda: 3, c: 0.1 } as const;
