// A rank of a group in a test: `node rank-child.js SCENARIO`. Prints the results for comparison in the test, as JSON lines.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveViT } from '../../../lib/model/vit.ts';
import { random } from '../../../lib/random.ts';
import { placeOf } from '../../../lib/train/distributed/environment.ts';
import { CachedEmbeddings } from '../../../lib/train/lane/cached.ts';
import { Embedder } from '../../../lib/train/lane/embedder.ts';
import { GradientSum, ProcessGroup } from '../../../lib/train/lane/group.ts';
import { HybridLoss } from '../../../lib/train/lane/loss.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { GradScaler } from '../../../lib/train/lane/scaler.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { measure } from '../../../lib/train/measure/evaluate.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { embed, randomImages, tinyEmbedder, tinyLoss, tinyViT } from '../helpers.ts';
import { tinyConfig, tinySamples } from '../run/tiny-learner.ts';

const [scenario, patience = '20'] = process.argv.slice(2);
const place = placeOf(process.env);
const group = place === null ? null : await ProcessGroup.join(place, { patience: Number(patience) });
const rank = group?.rank ?? 0;
const size = group?.size ?? 1;

/** Current and peak resident memory of this process. */
const residentBytes = (): Promise<number> => statusOf('VmRSS');
const peakBytes = (): Promise<number> => statusOf('VmHWM');
async function statusOf(name: string): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1]);
}

/** Trains a small network for one step, so that libtorch's code is loaded before memory is measured. */
async function warmUp(): Promise<void> {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-4 });
  using own = embed(model, 4);
  using value = tinyLoss({ tied: model.tied }).apply(own);
  value.backward();
  optimizer.step();
  await value.read();
}

const scenarios: Record<string, () => Promise<unknown>> = {
  /** Sums numbers, gathers a different number of values from each rank with unchanged bits, and shares a text. */
  async collectives() {
    const sums = Float64Array.of(1, rank, 1e-300 * (rank + 1));
    await group!.sum(sums);
    const own = Float32Array.from({ length: rank }, (_, i) => 10 * rank + i);
    const gathered = await group!.gatherValues(own);
    const bits = Int32Array.from({ length: rank }, (_, i) => 0x7f800001 + 10 * rank + i); // signaling NaNs
    const same = await group!.gatherValues(new Float32Array(bits.buffer));
    return {
      sums: [...sums],
      gathered: [...gathered],
      bits: [...new Int32Array(same.buffer)],
      shared: await group!.share(`from ${rank}`),
    };
  },
  /** Computes the gradients of a loss of six classes. In mode `spread`, rank 0 has images of two classes, otherwise of one. */
  async gradients() {
    using model = await tinyEmbedder({ seed: 5 + rank });
    await group?.broadcast(model); // different seeds, so that only the broadcast makes the models equal
    const counts = [2, 12 - 2, 0].slice(0, size);
    if (size === 1) counts[0] = 12;
    const first = counts.slice(0, rank).reduce((sum, count) => sum + count, 0);
    const all = randomImages(12);
    const length = all.length / 12;
    const bytes = all.subarray(first * length, (first + counts[rank]!) * length);
    using batch = Batch.from(
      bytes,
      { count: counts[rank]!, size: tinyViT.imgSize },
      tinyViT.mean,
      tinyViT.std,
    );
    using own = model.forward(batch);
    const gather = (tensor: typeof own.euclidean): typeof tensor =>
      group === null ? tensor : group.gatherRows(tensor, counts);
    const whole = { euclidean: gather(own.euclidean), hyperbolic: gather(own.hyperbolic) };
    const options = { geometry: 'hybrid', views: 2, tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1 } as const;
    const loss = new HybridLoss({ ...options, tied: model.tied, clipR: 2.3 });
    const mode = process.argv[4];
    const labels = {
      whole: undefined,
      divided: [9, 9, 1, 2, 1, 2, 3, 4, 3, 4, 5, 5],
      spread: Array.from({ length: 12 }, (_, row) => row % 6),
    }[mode!];
    using value = loss.apply(whole, labels, { divide: mode !== 'whole', gradParams: true });
    const sum = group && new GradientSum(model, group);
    sum?.arm();
    value.backward();
    sum?.finish();
    const gradients = await model.gradients();
    const list = [...gradients].map(([name, { data }]) => [name, [...data]] as const);
    const { gradParams, ...values } = await value.read();
    return { values: { ...values, ...gradParams }, gradients: Object.fromEntries(list) };
  },
  /** Takes a step with `compat hypmix` on the halves of a batch: one per rank, or one after the other in one process. */
  async published() {
    using learner = await Learner.create(tinyConfig({ compat: 'hypmix' }), () => {}, group);
    const { images, labels, ...sizes } = tinySamples();
    const bytes = images.length / 2;
    const losses: number[] = [];
    let gradients: Record<string, number[]> = {};
    for (const half of group === null ? [0, 1] : [rank]) {
      const samples = {
        ...{ ...sizes, count: 4 },
        images: images.subarray(half * bytes, (half + 1) * bytes),
        labels: labels.subarray(4 * half, 4 * half + 4),
        ...(group !== null && { whole: { labels, counts: [4, 4] } }),
      };
      using embeddings = await learner.embed(samples);
      using whole = learner.gather(embeddings, samples);
      using rows = learner.compared(whole, whole.labels);
      using objective = learner.loss.apply(rows, rows.labels, learner.scalars());
      await learner.backward(objective, embeddings, group === null ? 1 / 2 : rows.factor);
      const state = await learner.embedder.gradients();
      gradients = Object.fromEntries([...state].map(([name, { data }]) => [name, [...data]]));
      if (group === null) losses.push((await objective.read()).loss / 2);
      else {
        const options = { lr: 1e-3, factor: rows.factor, wantPoints: false };
        losses.push((await learner.finish(objective, whole, whole.labels, options)).loss.loss);
      }
    }
    return { values: { loss: losses.reduce((sum, loss) => sum + loss, 0) }, gradients };
  },
  /** Evaluates random embeddings of `count` images. If `queries` is given, only the first `queries` images are queries. */
  async evaluation() {
    const [count, queries] = [Number(process.argv[4]), process.argv[5]];
    const next = random(7);
    const rows = (width: number): Float32Array =>
      Float32Array.from({ length: count * width }, () => 0.5 * next() - 0.25);
    const labels = Int32Array.from({ length: count }, (_, row) => row % 5);
    const classes = ['a', 'b', 'c', 'd', 'e'];
    const parents = [['x'], ['x'], ['y'], ['y'], ['y']];
    const split = { classes, samples: [], parents };
    const embedded = {
      ...{ body: rows(6), euclidean: rows(4), hyperbolic: rows(4), bodyWidth: 6, width: 4 },
      ...{ labels, indices: Int32Array.from(labels.keys()) },
    };
    return await measure(embedded, split, 1, {
      ...{ ks: [1, 2], group, fusion: { tauE: 0.1, tauH: 0.2, lambda: 1, tied: false } },
      ...(queries !== undefined && { queries: Number(queries) }),
    });
  },
  /** Takes a step in float16 whose gradient overflows on rank 1 alone. */
  async overflow() {
    using model = await tinyEmbedder({ seed: 5 });
    using optimizer = new AdamW(model, { lr: 0.1 });
    using scaler = new GradScaler({ scale: 1024 });
    using sum = new GradientSum(model, group!);
    const options = { geometry: 'hybrid', views: 2, tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1 } as const;
    const loss = new HybridLoss({ ...options, tied: model.tied, clipR: 2.3 });
    const before = await model.state();
    using own = embed(model, 4);
    using value = loss.apply(own);
    sum.arm();
    scaler.backward(value, rank === 1 ? 1e35 : 1);
    sum.finish();
    scaler.step(optimizer);
    scaler.update();
    const after = await model.state();
    const changed = [...before].filter(([name, { data }]) =>
      after.get(name)!.data.some((x, i) => x !== data[i]),
    );
    return { ...(await scaler.state()), changed: changed.map(([name]) => name) };
  },
  /** Measures the bytes that training steps add to a process, with many weights and few images. */
  async memory() {
    const model = resolveViT(process.argv[4]!);
    const images = { images: randomImages(4, 1, 16), count: 4, size: 16 };
    await warmUp();
    const before = await residentBytes();
    using network = await Embedder.create({ model, head: 'hyp-vit', dim: 16, clipR: 2.3, c: 0.1, seed: 5 });
    using optimizer = new AdamW(network, { lr: 1e-4 });
    using sum = group && new GradientSum(network, group);
    const options = { geometry: 'hybrid', views: 2, tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1 } as const;
    const loss = new HybridLoss({ ...options, tied: network.tied, clipR: 2.3 });
    for (let step = 0; step < 3; step++) {
      using batch = Batch.from(images.images, images, model.mean, model.std);
      using own = network.forward(batch);
      using value = loss.apply(own);
      sum?.arm();
      value.backward();
      sum?.finish();
      optimizer.step();
      optimizer.zeroGrad();
      await value.read();
    }
    return { bytes: (await peakBytes()) - before };
  },
  /** Measures the bytes that a loss adds to a process that has already embedded its rows. */
  async lossMemory() {
    const [rows, dim] = [Number(process.argv[4]), Number(process.argv[5])];
    await warmUp();
    using model = await tinyEmbedder({ head: 'hyp-vit', dim });
    const count = rows / size;
    const images = { images: randomImages(count), count, size: tinyViT.imgSize };
    using own = new CachedEmbeddings(model, Object.assign(images, { labels: new Int32Array(count) }), 32);
    await own.euclidean.data();
    const before = await residentBytes();
    const counts = Array<number>(size).fill(count);
    using euclidean = group!.gatherRows(own.euclidean, counts);
    using hyperbolic = group!.gatherRows(own.hyperbolic, counts);
    using value = tinyLoss({ tied: model.tied }).apply(
      { euclidean, hyperbolic },
      {
        divide: true,
      },
    );
    value.backward();
    await value.read();
    return { bytes: (await peakBytes()) - before };
  },
  /** Takes steps until a rank fails; the errors of the other ranks name its step. */
  async endless() {
    for (let step = 1; ; step++) {
      group!.at(`step ${step}`);
      await group!.sum(new Float64Array(1000));
      if (step === 100) process.stdout.write('ready\n');
      await sleep(20);
    }
  },
  /** Rank 1 fails with an error: in a step or, with the argument `early`, before. */
  async fails() {
    const isEarly = process.argv[4] === 'early';
    if (!isEarly) group!.at('step 7');
    await group!.sum(new Float64Array(1));
    if (rank === 1) throw new Error(isEarly ? 'no images found. Check the path.' : 'out of memory');
    await group!.sum(new Float64Array(1));
  },
};

try {
  const result = await scenarios[scenario!]!();
  process.stdout.write(`${JSON.stringify(result)}\n`);
  await group?.close();
} catch (error) {
  const { code, message } = error as Error & { code?: string };
  if (code !== 'ERR_HOROBALL_RANK') group?.fail(message);
  process.stdout.write(`${JSON.stringify({ code, message })}\n`);
  process.exitCode = 1;
  await group?.close();
}
