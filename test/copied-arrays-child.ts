// Tests asynchronous calls in a core that copies its inputs, because it cannot keep the memory of arrays alive. Prints
// a `Found` as JSON; run with --expose-gc and HOROBALL_COPY_ARRAYS=1.
import { isDeepStrictEqual } from 'node:util';
import { pairwiseDistance } from '../lib/index.ts';
import { coreCalls } from './core-calls.ts';
import { cloud, failure } from './support.ts';

export interface Found {
  /** Asynchronous exports whose result differs from that of the synchronous variant. */
  readonly differ: readonly string[];
  /** Whether a job uses its inputs as they were at the time of the call. */
  readonly copies: boolean;
  /** The error code of a call whose buffer was transferred and then freed. */
  readonly code: unknown;
}

const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');

const { calls, close } = await coreCalls({ rows: 64, side: 16 });
const differ: string[] = [];
for (const { name, run, sync } of calls) {
  const expected = sync?.();
  const got = await run();
  if (sync !== undefined && !isDeepStrictEqual(got, expected)) differ.push(name);
}
await close();

const [c, rows] = [1, 3000];
const points = cloud(Float32Array, rows, 64, 0.9);
const expected = pairwiseDistance.sync(points, undefined, { c });
const promise = pairwiseDistance(points, undefined, { c });
points.data.fill(0);
const copies = isDeepStrictEqual(await promise, expected);

const lost = cloud(Float32Array, rows, 64, 0.9);
const rejected = failure(() => pairwiseDistance(lost, undefined, { c }));
structuredClone(lost.data.buffer, { transfer: [lost.data.buffer as ArrayBuffer] });
for (let i = 0; i < 2; ++i) gc();
const { code } = await rejected;

const found: Found = { differ, copies, code };
process.stdout.write(JSON.stringify(found));
