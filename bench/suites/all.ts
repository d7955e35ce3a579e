import { coreInfo } from '../../lib/index.ts';
import { type JsPeers, noJsPeers } from '../js-peers.ts';
import {
  batch,
  cub,
  cubTest,
  manyProxies,
  multiPositive,
  ragged,
  raggedSmall,
  retrieval,
  sop,
  square,
  vitS,
} from '../shapes.ts';
import type { Suite } from '../suite.ts';
import { deltaSuite } from './delta.ts';
import { evaluationSuite } from './evaluation.ts';
import { lossSuite } from './loss.ts';
import { overheadSuite } from './overhead.ts';
import { pairLossSuite } from './pair-loss.ts';
import { pairwiseSuite } from './pairwise.ts';
import { proxyLossSuite } from './proxy-loss.ts';
import { rowwiseSuite } from './rowwise.ts';
import { queryCounts, searchName, searchSuite } from './search.ts';
import { wasmSuite } from './wasm.ts';

/** A suite whose inputs are not generated yet. */
export interface Planned {
  readonly name: string;
  build(): Suite;
}

/** Returns every suite of `npm run bench`, in the order of the table. On WebAssembly, only the suites for WebAssembly. */
export function suites(threads: number, js: JsPeers = noJsPeers, full = false): Planned[] {
  if (coreInfo().level === 'simd128')
    return [batch, square, vitS].map((shape) => ({
      name: `wasm pairwise ${shape.name}`,
      build: () => wasmSuite(shape, js),
    }));
  const pairwise = [batch, square, vitS].map((shape) => ({
    name: `pairwise ${shape.name}`,
    build: () => pairwiseSuite(shape, threads, js),
  }));
  const search = queryCounts.flatMap((queryCount) =>
    [1, 10].map((k) => ({
      name: searchName(k, queryCount),
      build: () => searchSuite(retrieval, k, queryCount, threads, js, full),
    })),
  );
  const delta = [500, 2000].map((n) => ({ name: `delta n=${n}`, build: () => deltaSuite(n, threads) }));
  return [
    ...pairwise,
    { name: 'loss sop', build: () => lossSuite(sop, { published: 400, compiled: 5 }, threads, full) },
    { name: 'loss cub', build: () => lossSuite(cub, { published: 200, compiled: 2.5 }, threads, full) },
    ...search,
    { name: 'evaluation cub-test', build: () => evaluationSuite(cubTest, threads) },
    ...delta,
    { name: 'rows', build: () => rowwiseSuite(threads) },
    { name: 'overhead', build: overheadSuite },
    { name: 'pair loss ragged', build: () => pairLossSuite(ragged, ['ntxent'], threads) },
    {
      name: 'pair loss ragged-small',
      build: () => pairLossSuite(raggedSmall, ['ntxent', 'supcon'], threads),
    },
    {
      name: 'pair loss multi-positive',
      build: () => pairLossSuite(multiPositive, ['ntxent', 'supcon'], threads),
    },
    { name: 'proxy loss many-proxies', build: () => proxyLossSuite(manyProxies, threads) },
  ];
}
