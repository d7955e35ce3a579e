/** The encoding of WebAssembly's instructions. */
const op = {
  loop: [0x03, 0x40],
  end: 0x0b,
  branchIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i32Sub: 0x6b,
  f32Add: 0x92,
  firstLane: [0xfd, 0x1f, 0],
  splat: [0xfd, 0x13],
  add: [0xfd, 0xe4, 0x01],
  multiply: [0xfd, 0xe6, 0x01],
} as const;
const type = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;

/** Enough independent sums to hide the latency of an addition and a multiplication on four ports. */
const sums = 13;
const steps = 1 << 20;

/** Returns a module with one function, `run(steps: i32, factor: f32): f32`, which adds and multiplies in registers only. */
function program(): Uint8Array<ArrayBuffer> {
  const [count, factor, x, first] = [0, 1, 2, 3];
  const all = Array.from({ length: sums }, (_, i) => first + i);
  const body = [
    [1, sums + 1, type.v128], // locals: x, and the sums
    [op.localGet, factor, ...op.splat, op.localSet, x],
    all.map((sum) => [op.localGet, factor, ...op.splat, op.localSet, sum]),
    op.loop,
    all.map((sum) => [
      op.localGet,
      sum,
      op.localGet,
      x,
      op.multiply,
      op.localGet,
      x,
      op.add,
      op.localSet,
      sum,
    ]),
    [op.localGet, count, op.i32Const, 1, op.i32Sub, op.localTee, count, op.branchIf, 0, op.end],
    all.map((sum, i) => [op.localGet, sum, op.firstLane, i > 0 ? op.f32Add : []]),
    op.end,
  ].flat(4);
  return Uint8Array.from(
    [
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 2, type.i32, type.f32, 1, type.f32]),
      section(3, [1, 0]),
      section(7, [1, 3, ...Buffer.from('run'), 0, 0]),
      section(10, [1, ...sized(body)]),
    ].flat(),
  );
}

const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];

/** Returns the bytes, preceded by their number in LEB128. */
function sized(bytes: readonly number[]): number[] {
  const size: number[] = [];
  for (let rest = bytes.length; size.length === 0 || rest > 0; rest >>= 7)
    size.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  return [...size, ...bytes];
}

/**
 * Measures the peak rate of float32 multiplications and additions of WebAssembly's SIMD128 on one thread in GFLOP/s. Returns
 * the best of several measurements.
 */
export function simd128Peak(): number {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program()), {});
  const { run } = exports as unknown as { run: (count: number, factor: number) => number };
  const operations = 2 * 4 * sums * steps;
  let best = 0;
  for (let i = 0; i < 20; ++i) {
    const begin = performance.now();
    run(steps, 0.5);
    best = Math.max(best, operations / (performance.now() - begin) / 1e6);
  }
  return best;
}
