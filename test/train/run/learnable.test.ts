import test from 'ava';
import { HybridLoss } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { LearnableScalars } from '../../../lib/train/run/learnable.ts';
import { statedError } from '../../tolerances.ts';
import { tinyBatch, tinyEmbedder } from '../helpers.ts';

test.before(() => setThreads(1));

const initial = { t_e: 0.1, t_h: 0.2, hyp_c: 0.3 };

test('learnable scalars start at exactly the configured value, and constant ones keep it', (t) => {
  const scalars = new LearnableScalars({ names: ['t_e', 'hyp_c'], initial, range: 10 });
  t.deepEqual([scalars.value('t_e'), scalars.value('t_h'), scalars.value('hyp_c')], [0.1, 0.2, 0.3]);
  for (let step = 0; step < 50; step++) scalars.update({ t_e: 1, t_h: 1, hyp_c: -1 }, 0.01);
  t.true(scalars.value('t_e') < 0.1 && scalars.value('hyp_c') > 0.3);
  t.is(scalars.value('t_h'), 0.2);
});

test('a scalar converges to the minimum of its function', (t) => {
  const scalars = new LearnableScalars({ names: ['t_h'], initial, range: 10 });
  for (let step = 0; step < 2000; step++) {
    const gradient = 2 * (scalars.value('t_h') - 0.5);
    scalars.update({ t_e: 0, t_h: gradient, hyp_c: 0 }, 0.01);
  }
  t.true(Math.abs(scalars.value('t_h') - 0.5) < statedError.optimum, `${scalars.value('t_h')}`);
});

test('a value stays positive and within its range', (t) => {
  const scalars = new LearnableScalars({ names: ['t_e', 'hyp_c'], initial, range: 4 });
  for (let step = 0; step < 100; step++) scalars.update({ t_e: 1e9, t_h: 0, hyp_c: -1e9 }, 1);
  t.true(Math.abs(scalars.value('t_e') / (0.1 / 4) - 1) < statedError.arithmetic);
  t.true(Math.abs(scalars.value('hyp_c') / (0.3 * 4) - 1) < statedError.arithmetic);
});

test('each value is read once, and a state of other types is rejected', (t) => {
  let reads = 0;
  const names = new Proxy(['t_e'], {
    get: (of, key) => (key === '0' && reads++ > 0 ? 'other' : Reflect.get(of, key)),
  });
  const scalars = new LearnableScalars({ names: names as ['t_e'], initial, range: 10 });
  t.true(scalars.has('t_e'));
  const before = scalars.state();
  const place = { offset: 0, first: 0, second: 0 };
  for (const wrong of [Symbol('a'), 10n, null, '0.1', [], Number.NaN])
    for (const key of ['offset', 'first', 'second']) {
      const state = { steps: 1, places: { t_e: { ...place, [key]: wrong } } };
      const { code } = t.throws(() => scalars.loadState(state as never)) as Error & { code?: string };
      t.true(code?.startsWith('ERR_HOROBALL_'), `${key} ${String(wrong)}`);
    }
  t.throws(() => scalars.loadState({ steps: 1, places: { t_e: { ...place, second: -1 } } }), {
    code: 'ERR_HOROBALL_RANGE',
  });
  t.throws(() => scalars.update({ t_e: 1e200, t_h: 0, hyp_c: 0 }, 0.1), { code: 'ERR_HOROBALL_RANGE' });
  t.deepEqual(scalars.state(), before);
});

test('a restored state continues bit for bit, and must have the same scalars', (t) => {
  const one = new LearnableScalars({ names: ['t_e'], initial, range: 10 });
  one.update({ t_e: 0.7, t_h: 0, hyp_c: 0 }, 0.01);
  const other = new LearnableScalars({ names: ['t_e'], initial, range: 10 });
  other.loadState(JSON.parse(JSON.stringify(one.state())) as ReturnType<typeof one.state>);
  for (const each of [one, other]) each.update({ t_e: -0.2, t_h: 0, hyp_c: 0 }, 0.01);
  t.is(other.value('t_e'), one.value('t_e'));
  const third = new LearnableScalars({ names: ['t_h'], initial, range: 10 });
  t.throws(() => third.loadState(one.state()), { code: 'ERR_HOROBALL_CHECKPOINT' });
});

for (const head of ['hypmix', 'hyp-vit'] as const) {
  for (const geometry of ['hybrid', 'hyperbolic', 'euclidean'] as const) {
    test.serial(
      `${head}, ${geometry}: gradients in temperatures and c equal those of the loss`,
      async (t) => {
        using model = await tinyEmbedder({ head, clipR: 0.8 });
        using batch = tinyBatch(8);
        const at = { tauE: 0.1, tauH: 0.2, c: 0.3 };
        const loss = new HybridLoss({ geometry, tied: model.tied, views: 2, lambda: 1, clipR: 0.8, ...at });
        const value = async (numbers: typeof at): Promise<number> => {
          model.setCurvature(numbers.c);
          using out = model.forward(batch, { train: false });
          using objective = loss.apply(out, undefined, numbers);
          return (await objective.read()).loss;
        };
        model.setCurvature(at.c, { learnable: true });
        using out = model.forward(batch);
        using objective = loss.apply(out, { gradParams: true });
        objective.backward();
        const { gradParams } = await objective.read();
        const got = { ...gradParams!, c: gradParams!.c + (await model.curvatureGradient()) };
        for (const name of ['tauE', 'tauH', 'c'] as const) {
          const step = 0.02 * at[name];
          const [above, below] = [
            await value({ ...at, [name]: at[name] + step }),
            await value({ ...at, [name]: at[name] - step }),
          ];
          const expected = (above - below) / (2 * step);
          const scale = Math.max(1, Math.abs(expected));
          t.true(
            Math.abs(got[name] - expected) < statedError.singleDifferences * scale,
            `${name}: ${got[name]} and ${expected}`,
          );
        }
      },
    );
  }
}
