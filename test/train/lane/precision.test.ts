import test from 'ava';
import type { Precision } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { networkError } from '../../tolerances.ts';
import { embed, flat, relativeError, tinyEmbedder, tinyLoss } from '../helpers.ts';

test.before(() => setThreads(1));

const loss = tinyLoss();

const lower: Precision[] = ['bfloat16', 'float16'];

async function outputs(precision: Precision): Promise<{ body: Float32Array; euclidean: Float32Array }> {
  using model = await tinyEmbedder({ precision });
  using out = embed(model, 6);
  return { body: await out.body.data(), euclidean: await out.euclidean.data() };
}

for (const precision of lower) {
  test.serial(
    `${precision}: the outputs agree to that precision, and the head computes in float32`,
    async (t) => {
      const [exact, rounded] = [await outputs('float32'), await outputs(precision)];
      const error = relativeError(rounded.body, exact.body);
      t.true(error > 1e-6 && error < networkError.bfloat16, `${error}`);
      for (let row = 0; row < 6; row++) {
        const norm = Math.hypot(...rounded.euclidean.subarray(6 * row, 6 * row + 6));
        t.true(Math.abs(norm - 1) < networkError.unit, 'bfloat16 would be off by 1e-3');
      }
    },
  );

  test.serial(`gradients in ${precision} have the direction of those in float32`, async (t) => {
    const gradients = async (of: Precision): Promise<number[]> => {
      using model = await tinyEmbedder({ precision: of });
      using out = embed(model, 8);
      using objective = loss.apply(out);
      objective.backward();
      return flat(await model.gradients());
    };
    const [exact, rounded] = [await gradients('float32'), await gradients(precision)];
    t.true(
      relativeError(rounded, exact) < networkError.bfloat16Gradients,
      `${relativeError(rounded, exact)}`,
    );
  });
}

test.serial('an unknown precision is rejected', async (t) => {
  await t.throwsAsync(tinyEmbedder({ precision: 'float8' as Precision }), { code: 'ERR_HOROBALL_TYPE' });
});
