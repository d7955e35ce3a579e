import test from 'ava';
import type { NamedTensor } from '../../../lib/train/lane/types.ts';
import { hasLeadingOnes, recipeOf, withLeadingOnes } from '../../../lib/train/weights/assemble.ts';

/** Returns a tensor with the elements `first`, `first` + 1, ... */
function counting(shape: readonly number[], first = 0): NamedTensor {
  const length = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length }, (_, i) => first + i) };
}

/** The parameter assembled from a file's tensors; undefined if they do not suffice. */
function assembled(name: string, file: Record<string, NamedTensor>): NamedTensor | undefined {
  const recipe = recipeOf(name, (each) => Object.hasOwn(file, each));
  return recipe?.make(recipe.sources.map((source) => file[source]!));
}

test('a parameter in the file is used unchanged, before any rule applies', (t) => {
  const file = {
    'blocks.0.attn.qkv.weight': counting([3, 2]),
    'blocks.0.attn.q_proj.weight': counting([1, 2], 9),
  };
  t.is(assembled('blocks.0.attn.qkv.weight', file), file['blocks.0.attn.qkv.weight']);
  t.is(assembled('blocks.0.attn.q_proj.weight', file), file['blocks.0.attn.q_proj.weight']);
});

test('a parameter has no recipe if the file lacks the tensors that it is made of', (t) => {
  t.is(assembled('cls_token', { pos_embed: counting([1]) }), undefined);
  const half = {
    'blocks.0.attn.q_proj.weight': counting([1, 2]),
    'blocks.0.attn.k_proj.weight': counting([1, 2]),
  };
  t.is(assembled('blocks.0.attn.qkv.weight', half), undefined, 'values are missing');
  const other = { 'blocks.1.attn.qkv.weight': counting([3, 2]) };
  t.is(assembled('blocks.0.attn.q_proj.weight', other), undefined, 'another block');
});

test('splitting and joining are inverse operations', (t) => {
  const whole = counting([6, 3]);
  const split = Object.fromEntries(
    ['q', 'k', 'v'].map((letter) => {
      const name = `blocks.3.attn.${letter}_proj.weight`;
      return [name, assembled(name, { 'blocks.3.attn.qkv.weight': whole })!];
    }),
  );
  t.deepEqual(
    Object.values(split).map(({ shape, data }) => [shape, data[0]]),
    [
      [[2, 3], 0],
      [[2, 3], 6],
      [[2, 3], 12],
    ],
  );
  t.deepEqual(assembled('blocks.3.attn.qkv.weight', split), whole);

  const gates = counting([4, 2]);
  const parts = Object.fromEntries(
    ['g', 'x'].map((letter) => {
      const name = `blocks.0.mlp.fc1_${letter}.weight`;
      return [name, assembled(name, { 'blocks.0.mlp.fc1.weight': gates })!];
    }),
  );
  t.deepEqual(assembled('blocks.0.mlp.fc1.weight', parts), gates);
});

test('a missing bias of the keys becomes 0; other biases may not be missing', (t) => {
  const bias = (letters: string): Record<string, NamedTensor> =>
    Object.fromEntries([...letters].map((letter) => [`blocks.0.attn.${letter}_proj.bias`, counting([2], 1)]));
  const name = 'blocks.0.attn.qkv.bias';
  t.deepEqual([...assembled(name, bias('qv'))!.data], [1, 2, 0, 0, 1, 2]);
  for (const letters of ['qk', 'kv', 'k']) t.is(assembled(name, bias(letters)), undefined, letters);
});

test('finds layer scales and biases under either name', (t) => {
  for (const [name, other] of [
    ['blocks.0.gamma_1', 'blocks.0.ls1.gamma'],
    ['blocks.0.attn.q_bias', 'blocks.0.attn.q_proj.bias'],
  ] as const) {
    const tensor = counting([2], 5);
    t.is(assembled(name, { [other]: tensor }), tensor);
    t.is(assembled(other, { [name]: tensor }), tensor);
  }
});

test('attention pooling takes queries from the first third, keys and values from the others', (t) => {
  const file = { 'attn_pool.in_proj.weight': counting([3, 2]) };
  t.deepEqual(assembled('attn_pool.q.weight', file), counting([1, 2]));
  t.deepEqual(assembled('attn_pool.kv.weight', file), counting([2, 2], 2));
});

test('only leading dimensions of 1 may differ', (t) => {
  const tensor = counting([1, 5, 2]);
  t.deepEqual(withLeadingOnes(tensor, [5, 2]).shape, [5, 2]);
  t.deepEqual(withLeadingOnes(counting([5, 2]), [1, 1, 5, 2]).shape, [1, 1, 5, 2]);
  t.is(withLeadingOnes(tensor, [2, 5]), tensor, 'other shapes are left to the later check');
  t.true(hasLeadingOnes([1], []));
  t.false(hasLeadingOnes([5, 1], [5]));
  t.false(hasLeadingOnes([1, 5, 1, 2], [5, 2]));
});
