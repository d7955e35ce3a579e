// Keeps a large collection in an existing index, which proposes candidates, and ranks the candidates exactly by
// hyperbolic distance. Compares two types of index (here in usearch; faiss, hnswlib and pgvector also have both):
// - a flat index, by inner product of the vectors of toInnerProductIndex: its order is already exact;
// - a graph (HNSW), by Euclidean distance of the vectors of logmap0. Inner products do not work there, because a
// graph compares the stored rows with each other: it would find 2% of the neighbors.
//   npm install usearch && node lib/examples/rerank.mjs [rows]
import { expmap0, logmap0, matrix, toInnerProductIndex, topK } from 'horoball';

process.on('uncaughtException', ({ message }) => {
  console.error(message); // one sentence, without a stack
  process.exit(1);
});
const { exactSearch, Index, MetricKind, ScalarKind } = await import('usearch').catch(() => {
  throw new Error('this example needs usearch: npm install usearch');
});

const [rows, dim, queries, k, candidates, c] = [Number(process.argv[2] ?? 20_000), 32, 200, 10, 50, 1];
if (!(Number.isInteger(rows) && rows >= candidates)) {
  throw new RangeError(`rows: expected an integer of at least ${candidates}, got ${process.argv[2]}`);
}

// Points in a ball, like the output of a head: clusters whose centers are spread over all radii.
let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const centers = Array.from({ length: 100 }, () => Float32Array.from({ length: dim }, () => 0.25 * normal()));
const sample = (count) => {
  const data = new Float32Array(count * dim);
  for (let i = 0; i < count; i++) {
    const center = centers[Math.floor(random() * centers.length)];
    for (let j = 0; j < dim; j++) data[i * dim + j] = center[j] + 0.1 * normal();
  }
  return expmap0.sync(matrix(data, count, dim), { c });
};
const gallery = sample(rows);
const queryPoints = sample(queries);

const stored = await toInnerProductIndex(gallery, { c, role: 'gallery' });
const vectors = await toInnerProductIndex(queryPoints, { c, role: 'query' });
const flat = exactSearch(stored.data, vectors.data, stored.cols, candidates, MetricKind.IP, 0).keys;

const graph = new Index({
  ...{ metric: MetricKind.L2sq, quantization: ScalarKind.F32, dimensions: dim, multi: false },
  ...{ connectivity: 16, expansion_add: 128, expansion_search: 128 },
});
const keys = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i));
graph.add(keys, logmap0.sync(gallery, { c }).data, 0);
const near = graph.search(logmap0.sync(queryPoints, { c }).data, candidates, 0).keys;

const truth = (await topK(queryPoints, gallery, { k, c })).indices;
for (const [name, proposed] of Object.entries({ flat, graph: near })) {
  let [alone, reranked] = [0, 0];
  for (let q = 0; q < queries; q++) {
    const keys = Array.from(proposed.subarray(q * candidates, (q + 1) * candidates), Number);
    const right = new Set(truth.subarray(q * k, (q + 1) * k));
    alone += keys.slice(0, k).filter((key) => right.has(key)).length;
    reranked += exactly(q, keys).filter((key) => right.has(key)).length;
  }
  const [a, b] = [alone, reranked].map((hits) => (hits / queries / k).toFixed(3));
  console.log(`${name.padEnd(6)} recall@${k} alone ${a}  reranked ${b}`);
}

/** Returns the k nearest of the proposed rows. */
function exactly(q, keys) {
  const some = new Float32Array(keys.length * dim);
  keys.forEach((key, i) => some.set(gallery.data.subarray(key * dim, (key + 1) * dim), i * dim));
  const query = queryPoints.data.subarray(q * dim, (q + 1) * dim);
  const { indices } = topK.sync(query, matrix(some, keys.length, dim), { k, c });
  return Array.from(indices, (i) => keys[i]);
}
