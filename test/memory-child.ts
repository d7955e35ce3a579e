// Calls every asynchronous export of the core many times, and prints as JSON how much memory each has kept.
import { coreCalls } from './core-calls.ts';

const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');
const count = Number(process.argv[2]);
const { calls, close } = await coreCalls({ rows: 64, side: 16 });

interface Memory {
  rss: number;
  /** Bytes of array buffers and of other memory outside of V8's heap. */
  external: number;
  heap: number;
}

async function memory(): Promise<Memory> {
  for (let i = 0; i < 2; ++i) {
    gc!();
    await new Promise((resolve) => setImmediate(resolve)); // finalizers run in a later turn of the event loop
  }
  const { rss, external, heapUsed } = process.memoryUsage();
  return { rss, external, heap: heapUsed };
}

/** Makes a call that completes, runs synchronously, is canceled or fails. */
const endings: Record<string, (call: (typeof calls)[number]) => unknown> = {
  completed: ({ run }) => run(),
  synchronous: ({ sync }) => sync?.(),
  canceled: ({ run }) => {
    const controller = new AbortController();
    const promise = run({ signal: controller.signal }).catch(() => {});
    controller.abort();
    return promise;
  },
  failed: ({ run }) => run({ threads: -1 }).catch(() => {}),
};

interface Growth extends Memory {
  name: string;
}

/** Growth above which an export is measured again: a leak recurs, but memory that the allocator keeps does not. */
const suspicious = 16 * 2 ** 20;

/** Calls each export `count` times in each way, and returns how much memory each has kept. */
async function growthOf(count: number): Promise<Growth[]> {
  const found: Growth[] = [];
  let before = await memory();
  const measure = async (call: (typeof calls)[number]): Promise<Growth> => {
    for (const begin of Object.values(endings)) for (let i = 0; i < count; ++i) await begin(call);
    const { rss, external, heap } = await memory();
    const growth = {
      name: call.name,
      rss: rss - before.rss,
      external: external - before.external,
      heap: heap - before.heap,
    };
    before = { rss, external, heap };
    return growth;
  };
  for (const call of calls) {
    const growth = await measure(call);
    found.push(growth.rss > suspicious ? await measure(call) : growth);
  }
  return found;
}

await growthOf(Math.ceil(count / 10)); // fills pools and caches
const before = await memory();
const results = await growthOf(count);
const after = await memory();
await close();
process.stdout.write(
  JSON.stringify({ rss: after.rss - before.rss, external: after.external - before.external, results }),
);
