// Recall of hyperbolic neighbors in vector stores, for the vectors that lib/guide/search.md recommends and for those it
// advises against. node dist/bench/stores.js --modules DIR, a folder in which these packages are installed: npm install
// @electric-sql/pglite @electric-sql/pglite-pgvector @lancedb/lancedb usearch
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Matrix, toInnerProductIndex, topK } from '../lib/index.ts';
import { type SearchSetName, searchSet, searchSetNames } from './search-sets.ts';

type Points = Matrix<Float32Array>;

/** The rows that a store proposes for a query. */
type Ask = (query: Float32Array, count: number) => Promise<ArrayLike<number>>;

/** A way to store rows, and how to query them. */
interface Way {
  readonly name: string;
  /** Numbers of candidates to request per neighbor. */
  readonly overFetch: readonly number[];
  open(rows: Points, stored: Points): Promise<{ ask: Ask; close(): Promise<void> }>;
  /** Whether rows are stored as inner-product vectors. */
  readonly lifted: boolean;
}

const k = 10;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const rowOf = ({ data, cols }: Points, i: number): Float32Array => data.subarray(i * cols, (i + 1) * cols);

interface Pg {
  exec(sql: string): Promise<unknown>;
  query(sql: string, values: unknown[]): Promise<{ rows: { id: number }[] }>;
  close(): Promise<void>;
}

function pgvector(modules: string, kind: 'exact' | 'hnsw' | 'ivfflat', lifted: boolean): Way {
  const [operator, family] = lifted ? ['<#>', 'vector_ip_ops'] : ['<->', 'vector_l2_ops'];
  return {
    name: `pgvector ${kind}, ${lifted ? 'inner product' : 'L2'}`,
    overFetch: kind === 'exact' && lifted ? [1] : [1, 4, 16],
    lifted,
    open: async (_, stored) => {
      const require = createRequire(pathToFileURL(join(modules, 'package.json')));
      const { PGlite } = require('@electric-sql/pglite') as {
        PGlite: { create(options: object): Promise<Pg> };
      };
      const { vector } = require('@electric-sql/pglite-pgvector') as { vector: unknown };
      const db = await PGlite.create({ extensions: { vector } });
      await db.exec(`create extension vector; create table items (id int, point vector(${stored.cols}))`);
      const text = (row: Float32Array) => `[${row.join(',')}]`;
      for (let first = 0; first < stored.rows; first += 500) {
        const values = Array.from({ length: Math.min(500, stored.rows - first) }, (_, i) => {
          return `(${first + i},'${text(rowOf(stored, first + i))}')`;
        });
        await db.exec(`insert into items values ${values.join(',')}`);
      }
      if (kind === 'hnsw') await db.exec(`create index on items using hnsw (point ${family})`);
      if (kind === 'ivfflat')
        await db.exec(`create index on items using ivfflat (point ${family}) with (lists = 100)`);
      await db.exec('set hnsw.ef_search = 200; set ivfflat.probes = 20');
      if (kind !== 'exact') await db.exec('set enable_seqscan = off'); // otherwise small tables are scanned
      const sql = `select id from items order by point ${operator} $1 limit $2`;
      const ask: Ask = async (query, count) =>
        (await db.query(sql, [text(query), count])).rows.map(({ id }) => id);
      return { ask, close: () => db.close() };
    },
  };
}

interface LanceQuery {
  distanceType(type: string): LanceQuery;
  limit(count: number): LanceQuery;
  nprobes(count: number): LanceQuery;
  select(columns: string[]): LanceQuery;
  toArray(): Promise<{ id: number }[]>;
}

interface LanceTable {
  createIndex(column: string, options: { config: unknown }): Promise<void>;
  vectorSearch(query: number[]): LanceQuery;
}

interface Lance {
  connect(path: string): Promise<{ createTable(name: string, rows: object[]): Promise<LanceTable> }>;
  Index: { hnswSq(options: object): unknown; ivfPq(options: object): unknown };
}

function lancedb(modules: string, kind: 'exact' | 'hnswSq', lifted: boolean): Way {
  const distanceType = lifted ? 'dot' : 'l2';
  return {
    name: `LanceDB ${kind}, ${lifted ? 'inner product' : 'L2'}`,
    overFetch: kind === 'exact' && lifted ? [1] : [1, 4, 16],
    lifted,
    open: async (_, stored) => {
      const lance = createRequire(pathToFileURL(join(modules, 'package.json')))('@lancedb/lancedb') as Lance;
      const folder = await mkdtemp(join(tmpdir(), 'horoball-lance-'));
      const db = await lance.connect(folder);
      const items = Array.from({ length: stored.rows }, (_, id) => ({
        id,
        vector: Array.from(rowOf(stored, id)),
      }));
      const table = await db.createTable('items', items);
      if (kind === 'hnswSq')
        await table.createIndex('vector', { config: lance.Index.hnswSq({ distanceType, numPartitions: 4 }) });
      const ask: Ask = async (query, count) => {
        const search = table.vectorSearch(Array.from(query)).distanceType(distanceType).nprobes(4);
        return (await search.limit(count).select(['id', '_distance']).toArray()).map(({ id }) => id);
      };
      return { ask, close: () => rm(folder, { recursive: true }) };
    },
  };
}

interface UsearchIndex {
  add(keys: BigUint64Array, rows: Float32Array): void;
  search(query: Float32Array, count: number): { keys: BigUint64Array };
}

function usearch(modules: string, lifted: boolean): Way {
  return {
    name: `usearch HNSW, ${lifted ? 'inner product' : 'L2'}`,
    overFetch: [1, 4, 16],
    lifted,
    open: async (_, stored) => {
      const { Index } = createRequire(pathToFileURL(join(modules, 'package.json')))('usearch') as {
        Index: new (options: object) => UsearchIndex;
      };
      const index = new Index({
        metric: lifted ? 'ip' : 'l2sq',
        dimensions: stored.cols,
        quantization: 'f32',
        connectivity: 16,
        expansion_add: 128,
        expansion_search: 64,
        multi: false,
      });
      index.add(
        BigUint64Array.from({ length: stored.rows }, (_, i) => BigInt(i)),
        stored.data,
      );
      const ask: Ask = async (query, count) => Array.from(index.search(query, count).keys, Number);
      return { ask, close: async () => {} };
    },
  };
}

async function measure(way: Way, rows: Points, queries: Points, truth: Int32Array): Promise<string> {
  const lift = (x: Points, role: 'query' | 'gallery') =>
    way.lifted ? toInnerProductIndex(x, { c: 1, role }) : Promise.resolve(x);
  const asked = await lift(queries, 'query');
  const store = await way.open(rows, await lift(rows, 'gallery'));
  const recalls: string[] = [];
  for (const over of way.overFetch) {
    let hits = 0;
    for (let i = 0; i < queries.rows; ++i) {
      const found = new Set(Array.from(await store.ask(rowOf(asked, i), over * k)));
      for (const row of truth.subarray(i * k, (i + 1) * k)) hits += Number(found.has(row));
    }
    recalls.push(`${over}x: ${(hits / truth.length).toFixed(3)}`);
  }
  await store.close();
  return recalls.join('   ');
}

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { modules: string, rows: string, sets: string, dim: string, queries: string },
  });
  const modules = resolve(values.modules ?? '.');
  const [count, dim] = [Number(values.rows ?? 10_000), Number(values.dim ?? 64)];
  const ways = [
    pgvector(modules, 'exact', true),
    pgvector(modules, 'hnsw', true),
    pgvector(modules, 'hnsw', false),
    pgvector(modules, 'ivfflat', false),
    lancedb(modules, 'exact', true),
    lancedb(modules, 'hnswSq', false),
    usearch(modules, true),
    usearch(modules, false),
  ];
  for (const set of (values.sets?.split(',') ?? searchSetNames) as SearchSetName[]) {
    const { rows, queries } = searchSet(set, count, Number(values.queries ?? 100), dim);
    const { indices } = await topK(queries, rows, { k, c: 1 });
    for (const way of ways) {
      const found = await measure(way, rows, queries, indices).catch(
        (error: Error) => error.message.split('\n')[0]!,
      );
      say(`${set.padEnd(11)}${way.name.padEnd(34)}${found}`);
    }
  }
}

await main();
