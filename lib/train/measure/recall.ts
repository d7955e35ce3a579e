import type { Device } from '../../check.ts';
import { type Matrix, rowsAt } from '../../matrix.ts';
import { type QueryResults, type RetrievalMetrics, retrievalMetrics } from '../../retrieval.ts';
import { topK } from '../../topk.ts';
import { rowsByClass } from '../../views.ts';
import { evenAncestors } from '../data/class-tree.ts';
import { lengthOf, type Range, ranges } from '../distributed/shard.ts';
import type { RankPlace } from '../lane/group.ts';
import type { Recall } from './types.ts';

/** The evaluation protocol of a data set. */
export interface Protocol {
  /** The values of k in Recall@k. */
  ks: readonly number[];
  /**
   * Number of queries, which are the first images of the split; the others are the gallery. By default, each image is a
   * query, and all others are its gallery.
   */
  queries?: number | undefined;
}

/** Maximum number of values of k in a table, a limit for damaged files; data sets have ten or fewer. */
const maxKs = 64;

/** Returns the values of k in Recall@k of any of the given recalls, ascending. */
export function ksOf(recalls: readonly { readonly at: object }[]): string[] {
  const ks = new Set(recalls.flatMap(({ at }) => Object.keys(at)));
  return [...ks].sort((a, b) => Number(a) - Number(b)).slice(0, maxKs);
}

/**
 * Returns the protocol with `queries` reduced to the number of readable query images.
 *
 * @param indices - index of each row's image in the split
 */
export function protocolOf({ ks, queries }: Protocol, indices: Int32Array): Protocol {
  if (queries === undefined) return { ks };
  return { ks, queries: indices.reduce((count, index) => count + (index < queries ? 1 : 0), 0) };
}

/** The distance by which embeddings are ranked. */
export type Distance =
  | { metric: 'poincare'; c: number; compat?: 'hypmix' }
  | { metric: 'cosine' | 'euclidean' };

/** Options of {@link recallOf}. */
export interface RecallOptions extends Protocol {
  distance: Distance;
  signal?: AbortSignal | undefined;
  /** Device of the search; default `cpu`. */
  device?: Device | undefined;
  /** The rank whose part of the queries is searched; default: all queries. */
  share?: Share | undefined;
  /** Receives the result of each query. */
  onQueries?: ((results: QueryResults) => void) | undefined;
}

/** A rank, and the number of ranks that divide the queries. */
export type Share = Pick<RankPlace, 'rank' | 'size'>;

/** Returns the query rows of a rank. The parts are consecutive and not padded, so that no query counts twice. */
export function queriesOf({ queries }: Pick<Protocol, 'queries'>, rows: number, share: Share): Range {
  return ranges(queries ?? rows, share.size)[share.rank]!;
}

/** Returns the query and gallery rows (undefined: all rows), and the values of k, each limited to the size of the gallery. */
export function retrievalOf(
  { ks, queries }: Protocol,
  rows: number,
  share: Share = undivided,
): { ks: number[]; query: number[] | undefined; gallery: number[] | undefined } {
  const most = rows - (queries ?? 0);
  const isAll = queries === undefined && share.size === 1;
  return {
    ks: ks.map((k) => Math.min(k, most)),
    query: isAll ? undefined : listOf(queriesOf({ queries }, rows, share)),
    gallery: queries === undefined ? undefined : listOf({ first: queries, end: rows }),
  };
}

/** The share of a single process: all queries. */
const undivided: Share = { rank: 0, size: 1 };

function listOf({ first, end }: Range): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** Whether a rank has no queries, because there are more ranks than queries. */
export function isEmpty({ size }: Share, query: readonly number[] | undefined): boolean {
  return size > 1 && query?.length === 0;
}

/** Returns zeros, for a rank without queries. */
export function emptyRecall(ks: readonly number[], levels: number = 0): Recall {
  const at = Object.fromEntries(ks.map((k) => [k, 0]));
  return { at, rPrecision: 0, mapAtR: 0, strict: Array<number>(levels).fill(0) };
}

/**
 * Converts the metrics of a search to a `Recall`.
 * @param limited - the values of k of the search: each k of `ks`, limited to the size of the gallery
 */
export function recallFrom(
  { recall, rPrecision, mapAtR }: RetrievalMetrics,
  ks: readonly number[],
  limited: readonly number[],
  strict: number[] = [],
): Recall {
  return {
    at: Object.fromEntries(ks.map((k, i) => [k, recall[limited[i]!]!])),
    rPrecision,
    mapAtR,
    strict,
  };
}

/**
 * Measures Recall@k, R-Precision and MAP@R, and without `queries` also strict Recall@1 for every level of a class tree.
 * @param x - one row per image
 * @param parents - the ancestors of each class, nearest first
 */
export async function recallOf(
  x: Matrix<Float32Array>,
  labels: Int32Array,
  parents: readonly (readonly string[])[] | undefined,
  { ks, queries, distance, signal, device, share = undivided, onQueries }: RecallOptions,
): Promise<Recall> {
  const how = retrievalOf({ ks, queries }, x.rows, share);
  const ancestors = queries === undefined ? evenAncestors(parents ?? []) : [];
  const depth = ancestors[0]?.length ?? 0;
  if (isEmpty(share, how.query)) return emptyRecall(ks, depth);
  const perQuery = onQueries !== undefined;
  const found = await retrievalMetrics(x, labels, { ...how, ...distance, device, perQuery, signal });
  if (found.perQuery) await onQueries?.(found.perQuery);
  const tree: Int32Array[] = [labels];
  for (let level = 0; level < depth; level++)
    tree.push(numbered(Array.from(labels, (label) => ancestors[label]![level]!)));
  const strict: number[] = [];
  const range = queriesOf({}, x.rows, share);
  for (let level = 0; level < depth; level++)
    strict.push(
      await strictRecall(x, range, tree[level]!, tree[level + 1]!, { ...distance, device, signal }),
    );
  return recallFrom(found, ks, how.ks, strict);
}

/** Numbers the names; equal names get equal numbers. */
function numbered(names: readonly string[]): Int32Array {
  const numbers = new Map<string, number>();
  for (const name of names) if (!numbers.has(name)) numbers.set(name, numbers.size);
  return Int32Array.from(names, (name) => numbers.get(name)!);
}

/** Neighbors per search: few for all rows, then more for the rows whose neighbors are all in their own group. */
const depths = [16, 256];
const queriesPerSearch = 2048;

/**
 * Returns strict Recall@1: the fraction of rows in `range` whose nearest row from another `excluded` group has the same
 * `wanted` group. Rows whose nearest neighbors are all in their own group are searched again, one search per group;
 * doing this for all of 20,000 groups would be too slow.
 */
async function strictRecall(
  x: Matrix<Float32Array>,
  range: Range,
  excluded: Int32Array,
  wanted: Int32Array,
  how: Distance & Pick<RecallOptions, 'device' | 'signal'>,
): Promise<number> {
  const groups = rowsByClass(excluded);
  if (groups.size < 2) return 0; // no candidates
  let hits = 0;
  let open: readonly number[] = listOf(range);
  for (const depth of depths) {
    const k = Math.min(depth, x.rows);
    const left: number[] = [];
    for (let begin = 0; begin < open.length; begin += queriesPerSearch) {
      const queries = open.slice(begin, begin + queriesPerSearch);
      const { indices } = await topK(chosen(x, queries), x, { k, ...how });
      for (const [i, row] of queries.entries()) {
        const other = indices.subarray(i * k, (i + 1) * k).find((at) => excluded[at] !== excluded[row]);
        if (other === undefined || other < 0) left.push(row);
        else if (wanted[other] === wanted[row]) hits++;
      }
    }
    open = left;
  }
  const wide = rowsByClass(open.map((row) => excluded[row]!));
  for (const [group, rowsOfGroup] of wide) {
    const queries = rowsOfGroup.map((row) => open[row]!);
    const allowed = new Uint8Array(x.rows).fill(1);
    for (const row of groups.get(group)!) allowed[row] = 0;
    const { indices } = await topK(chosen(x, queries), x, { k: 1, allowed, ...how });
    hits += queries.filter((row, i) => wanted[indices[i]!] === wanted[row]).length;
  }
  return hits / lengthOf(range);
}

/** Copies the given rows to a new matrix. */
export function chosen(all: Matrix<Float32Array>, rows: readonly number[]): Matrix<Float32Array> {
  return rowsAt('evaluate', all, rows);
}
