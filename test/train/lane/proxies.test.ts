import test from 'ava';
import { clip, contrastiveLoss, expmap0, matrix, normalize, project } from '../../../lib/index.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { Proxies } from '../../../lib/train/lane/proxies.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { networkError } from '../../tolerances.ts';
import { embed, relativeError, tinyEmbedder, tinyLoss } from '../helpers.ts';

const labels = Int32Array.of(4, 4, 9, 9, 7, 7);
const options = { tauE: 0.5, tauH: 0.8, lambda: 0.7, c: 0.1, clipR: 2.3 };

for (const loss of ['proxy-anchor', 'proxy-nca'] as const) {
  for (const [head, geometry] of [
    ['hypmix', 'hybrid'],
    ['hyp-vit', 'hybrid'],
    ['hyp-vit', 'hyperbolic'],
    ['hyp-vit', 'euclidean'],
  ] as const) {
    test(`${loss}, head ${head}, ${geometry}: equals the core's loss and its gradient with respect to the proxies`, async (t) => {
      using embedder = await tinyEmbedder({ head });
      using proxies = new Proxies(embedder, { labels: [9, 4, 30, 7, 4], seed: 3 });
      t.deepEqual([...proxies.labels], [4, 7, 9, 30]);
      const before = (await proxies.state()).get('weight')!;
      t.deepEqual(before.shape, [4, 6]);
      using embeddings = embed(embedder, 6);
      const tied = embedder.tied;
      using objective = tinyLoss({ ...options, loss, geometry, tied, alpha: 5, margin: 0.2 }).apply(
        ...([embeddings, labels, { proxies }] as const),
      );
      using optimizer = new AdamW(embedder, { lr: 0, weightDecay: 0, proxies });
      objective.backward();
      const norm = await optimizer.gradNorm();
      // After this step with learning rate 0, the first moment is a tenth of the gradient.
      optimizer.step();
      const state = await optimizer.state();
      const gradient = state.get('proxies.exp_avg')!.data.map((value) => 10 * value);

      const z = matrix(Float64Array.from(before.data), 4, 6);
      const { c, clipR: radius } = options;
      const toBall = (rows: typeof z) =>
        project.sync(expmap0.sync(clip.sync(rows, { radius }), { c }), { c });
      const sides = (rows: typeof z) => ({ euclidean: normalize.sync(rows), hyperbolic: toBall(tied ? normalize.sync(rows) : rows) }); // biome-ignore format: one line
      const wide = async (tensor: { data(): Promise<Float32Array> }) =>
        matrix(Float64Array.from(await tensor.data()), 6, 6);
      const batch = {
        ...{ euclidean: await wide(embeddings.euclidean), hyperbolic: await wide(embeddings.hyperbolic) },
        labels,
      };
      const value = (rows: typeof z) => {
        const own = { ...sides(rows), labels: proxies.labels };
        const [anchors, ref] = loss === 'proxy-anchor' ? [own, batch] : [batch, own];
        const chosen =
          loss === 'proxy-anchor'
            ? ({ loss, alpha: 5, beta: 5, margin: 0.2 } as const)
            : { loss: 'ntxent' as const };
        const { tauE, tauH, lambda } = options;
        return contrastiveLoss.sync({ ...anchors, ref, geometry, ...chosen, tauE, tauH, lambda, c, grad: false }).loss; // biome-ignore format: one line
      };
      const { loss: got } = await objective.read();
      t.true(Math.abs(got - value(z)) < networkError.layers * Math.abs(got), `${got} and ${value(z)}`);
      const want = Array.from(z.data, (center, i) => {
        const at = (shift: number) => {
          const moved = matrix(z.data.slice(), 4, 6);
          moved.data[i] = center + shift;
          return value(moved);
        };
        return (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4;
      });
      const error = relativeError(gradient, want);
      t.true(error < networkError.layerGradients, `gradient: ${error}`);
      t.true(norm > Math.hypot(...want) * (1 - networkError.layerGradients), 'part of the norm');
      t.deepEqual((await proxies.state()).get('weight')!.data, before.data);
    });
  }
}

test('a step moves the proxies at their own learning rate, and a state restores them', async (t) => {
  using embedder = await tinyEmbedder();
  using proxies = new Proxies(embedder, { labels, seed: 1 });
  const before = await proxies.state();
  const groups = ({ name }: { name: string }) => ({ rate: name === 'proxies' ? 10 : 1, weightDecay: 0 });
  using optimizer = new AdamW(embedder, { lr: 1e-3, proxies, groups });
  using embeddings = embed(embedder, 6);
  using objective = tinyLoss({ loss: 'proxy-nca' }).apply(embeddings, labels, { proxies });
  objective.backward();
  optimizer.step();
  const after = await proxies.state();
  const moves = after.get('weight')!.data.map((value, i) => Math.abs(value - before.get('weight')!.data[i]!));
  t.true(Math.max(...moves) > 0.009 && Math.max(...moves) < 0.011, `${Math.max(...moves)}`);
  await proxies.loadState(before);
  t.deepEqual(await proxies.state(), before);
  await t.throwsAsync(proxies.loadState(new Map()), { code: 'ERR_HOROBALL_SHAPE' });
});

test('initial proxies depend on the seed, with a variance of 2 / classes', async (t) => {
  using embedder = await tinyEmbedder({ dim: 50 });
  const values = async (seed: number) => {
    using proxies = new Proxies(embedder, { labels: Array.from({ length: 200 }, (_, i) => i), seed });
    return (await proxies.state()).get('weight')!.data;
  };
  t.deepEqual(await values(3), await values(3));
  t.notDeepEqual(await values(3), await values(4));
  const data = await values(3);
  const variance = data.reduce((sum, value) => sum + value * value, 0) / data.length;
  t.true(Math.abs(variance * 100 - 1) < 0.05, `${variance}`);
});

test.serial('rejects a label without a proxy, missing proxies and unused proxies', async (t) => {
  const { handles } = memory();
  {
    using embedder = await tinyEmbedder();
    using proxies = new Proxies(embedder, { labels: [4, 7] });
    using embeddings = embed(embedder, 6);
    const loss = tinyLoss({ loss: 'proxy-anchor' });
    t.throws(() => loss.apply(embeddings, labels, { proxies }), {
      code: 'ERR_HOROBALL_LABELS',
      message: /got 9/,
    });
    t.throws(() => loss.apply(embeddings, labels), { code: 'ERR_HOROBALL_TYPE', message: /proxies/ });
    t.throws(() => loss.apply(embeddings, undefined, { proxies }), { code: 'ERR_HOROBALL_TYPE' });
    t.throws(() => tinyLoss().apply(embeddings, labels, { proxies }), { code: 'ERR_HOROBALL_TYPE' });
    t.throws(() => new Proxies(embedder, { labels: [] }), { code: 'ERR_HOROBALL_RANGE' });
    t.throws(() => new AdamW(embedder, { lr: 1, proxies: {} as Proxies }), { code: 'ERR_HOROBALL_TYPE' });
  }
  t.is(memory().handles, handles);
});
