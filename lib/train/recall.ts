import type { Device } from '../check.ts';
import { type Matrix, rowsAt } from '../matrix.ts';
import { type QueryResults, type RetrievalMetrics, retrievalMetrics } from '../retrieval.ts';
import { topK } from '../topk.ts';
import type { Recall } from './record.ts';

/** What a data set is measured by. */
export interface Protocol {
  /** The k of Recall@k. */
  ks: readonly number[];
  /** So many of the first pictures are queries and the others the gallery; without it each is looked up in all others. */
  queries?: number | undefined;
}

/** The protocol for the pictures that could be read: `indices` has the place of each in the split. */
export function protocolOf({ ks, queries }: Protocol, indices: Int32Array): Protocol {
  if (queries === undefined) return { ks };
  return { ks, queries: indices.reduce((count, index) => count + (index < queries ? 1 : 0), 0) };
}

/** How two embeddings are compared. */
export type Distance =
  | { metric: 'poincare'; c: number; compat?: 'hypmix' }
  | { metric: 'cosine' | 'euclidean' };

export interface RecallOptions extends Protocol {
  distance: Distance;
  signal?: AbortSignal | undefined;
  /** Where the search runs; `cpu` by default. */
  device?: Device | undefined;
  /** Hears how each query fared. */
  onQueries?: ((results: QueryResults) => void) | undefined;
}

/** The rows that ask and those that may answer, and the k of Recall@k that so many rows can answer. */
export function retrievalOf(
  { ks, queries }: Protocol,
  rows: number,
): { ks: number[]; query: number[] | undefined; gallery: number[] | undefined } {
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  const most = rows - (queries ?? 0); // a small gallery has no more to answer
  return {
    ks: ks.map((k) => Math.min(k, most)),
    query: queries === undefined ? undefined : range(0, queries),
    gallery: queries === undefined ? undefined : range(queries, rows),
  };
}

/** What is kept of the metrics of a search. */
export function recallFrom(
  { recall, rPrecision, mapAtR }: RetrievalMetrics,
  asked: readonly number[],
  answered: readonly number[],
  strict: number[] = [],
): Recall {
  return {
    at: Object.fromEntries(asked.map((k, i) => [k, recall[answered[i]!]!])),
    rPrecision,
    mapAtR,
    strict,
  };
}

/**
 * Recall@k, R-Precision and MAP@R, and strict Recall@1 for every level of a class tree.
 * @param parents per class its ancestors, nearest first
 */
export async function recallOf(
  x: Matrix<Float32Array>,
  labels: Int32Array,
  parents: readonly (readonly string[])[] | undefined,
  { ks, queries, distance, signal, device, onQueries }: RecallOptions,
): Promise<Recall> {
  const how = retrievalOf({ ks, queries }, x.rows);
  const perQuery = onQueries !== undefined;
  const found = await retrievalMetrics(x, labels, { ...how, ...distance, device, perQuery, signal });
  if (found.perQuery) onQueries?.(found.perQuery);
  const strict: number[] = [];
  const depth = queries === undefined ? (parents?.[0]?.length ?? 0) : 0;
  for (let level = 0; level < depth; level++) {
    const excluded = Array.from(labels, (label) => (level === 0 ? `${label}` : parents![label]![level - 1]!));
    const wanted = Array.from(labels, (label) => parents![label]![level]!);
    strict.push(await strictRecall(x, excluded, wanted, { ...distance, device, signal }));
  }
  return recallFrom(found, ks, how.ks, strict);
}

/** Share of rows whose nearest row of another `excluded` group is of the same `wanted` group. */
async function strictRecall(
  x: Matrix<Float32Array>,
  excluded: readonly string[],
  wanted: readonly string[],
  how: Distance & Pick<RecallOptions, 'device' | 'signal'>,
): Promise<number> {
  let hits = 0;
  for (const group of new Set(excluded)) {
    const queries = [...excluded.keys()].filter((row) => excluded[row] === group);
    if (queries.length === excluded.length) continue; // nobody is left to be found
    const allowed = Uint8Array.from(excluded, (name) => (name === group ? 0 : 1));
    const { indices } = await topK(chosen(x, queries), x, { k: 1, allowed, ...how });
    hits += queries.filter((row, i) => wanted[indices[i]!] === wanted[row]).length;
  }
  return excluded.length === 0 ? 0 : hits / excluded.length;
}

/** The given rows as a matrix of their own. */
export function chosen(all: Matrix<Float32Array>, rows: readonly number[]): Matrix<Float32Array> {
  return rowsAt('evaluate', all, rows);
}
