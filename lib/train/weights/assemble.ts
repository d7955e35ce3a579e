/** Assembles the parameters of a network from files that name, split or join tensors differently. */
import type { NamedTensor } from '../lane/types.ts';

/** The tensors of a file (by their names in timm's form) that form a parameter, and the function that combines them. */
export interface Recipe {
  sources: readonly string[];
  make(tensors: readonly NamedTensor[]): NamedTensor;
}

/** Whether the file has a tensor of this name. */
type Has = (name: string) => boolean;

/** Returns the recipe of a parameter; undefined if the file does not have the tensors for it. */
export function recipeOf(name: string, has: Has): Recipe | undefined {
  if (has(name)) return { sources: [name], make: ([only]) => only! };
  for (const rule of rules) {
    const recipe = rule(name, has);
    if (recipe !== undefined) return recipe;
  }
  return undefined;
}

type Rule = (name: string, has: Has) => Recipe | undefined;

/** Returns a rule for a tensor that is stored under another name. */
const renamed =
  (pattern: RegExp, other: string): Rule =>
  (name, has) => {
    const source = name.replace(pattern, other);
    return source !== name && has(source) ? { sources: [source], make: ([only]) => only! } : undefined;
  };

/** Returns a rule for part i (from 0) of n equal parts of a stored tensor, along the first dimension. */
const sliced =
  (pattern: RegExp, other: string, i: number, n: number): Rule =>
  (name, has) => {
    const source = name.replace(pattern, other);
    if (source === name || !has(source)) return undefined;
    return { sources: [source], make: ([whole]) => part(whole!, i, n) };
  };

/** Returns a rule that joins stored tensors along the first dimension; a missing bias of the keys counts as 0. */
const joined =
  (pattern: RegExp, others: readonly string[]): Rule =>
  (name, has) => {
    const all = others.map((other) => name.replace(pattern, other));
    const sources = all.filter(has);
    if (!pattern.test(name) || !has(all[0]!) || !has(all.at(-1)!)) return undefined;
    return {
      sources,
      make: (tensors) => {
        const zeros = { shape: tensors[0]!.shape, data: new Float32Array(tensors[0]!.data.length) };
        return stacked(all.map((source) => tensors[sources.indexOf(source)] ?? zeros));
      },
    };
  };

/** A rule for keys and values, which are the last two thirds of a matrix that also contains queries. */
const keysAndValues: Rule = (name, has) => {
  const source = name.replace(/^attn_pool\.kv\./, 'attn_pool.in_proj.');
  if (source === name || !has(source)) return undefined;
  return { sources: [source], make: ([whole]) => stacked([part(whole!, 1, 3), part(whole!, 2, 3)]) };
};

const rules: readonly Rule[] = [
  renamed(/(?<=^blocks\.\d+\.)gamma_(\d)$/, 'ls$1.gamma'),
  renamed(/(?<=^blocks\.\d+\.)ls(\d)\.gamma$/, 'gamma_$1'),
  joined(/(?<=^blocks\.\d+\.attn\.)qkv\./, ['q_proj.', 'k_proj.', 'v_proj.']),
  joined(/(?<=^blocks\.\d+\.mlp\.)fc1\./, ['fc1_g.', 'fc1_x.']),
  ...(['q', 'k', 'v'] as const).flatMap((letter, i) => [
    sliced(new RegExp(`(?<=^blocks\\.\\d+\\.attn\\.)${letter}_proj\\.`), 'qkv.', i, 3),
    sliced(new RegExp(`(?<=^blocks\\.\\d+\\.attn\\.)${letter}_bias$`), 'qkv.bias', i, 3),
    renamed(new RegExp(`(?<=^blocks\\.\\d+\\.attn\\.)${letter}_bias$`), `${letter}_proj.bias`),
    renamed(new RegExp(`(?<=^blocks\\.\\d+\\.attn\\.)${letter}_proj\\.bias$`), `${letter}_bias`),
  ]),
  sliced(/(?<=^blocks\.\d+\.mlp\.)fc1_g\./, 'fc1.', 0, 2),
  sliced(/(?<=^blocks\.\d+\.mlp\.)fc1_x\./, 'fc1.', 1, 2),
  sliced(/^attn_pool\.q\./, 'attn_pool.in_proj.', 0, 3),
  keysAndValues,
];

function part({ shape, data }: NamedTensor, i: number, n: number): NamedTensor {
  const length = data.length / n;
  return { shape: [shape[0]! / n, ...shape.slice(1)], data: data.subarray(i * length, (i + 1) * length) };
}

function stacked(parts: readonly NamedTensor[]): NamedTensor {
  const data = new Float32Array(parts.reduce((sum, each) => sum + each.data.length, 0));
  let at = 0;
  for (const each of parts) {
    data.set(each.data, at);
    at += each.data.length;
  }
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { shape: [rows, ...parts[0]!.shape.slice(1)], data };
}

/** Adds or removes leading dimensions of 1 if a tensor's shape differs only in these. */
export function withLeadingOnes(tensor: NamedTensor, shape: readonly number[]): NamedTensor {
  return hasLeadingOnes(tensor.shape, shape) ? { shape, data: tensor.data } : tensor;
}

/** Whether two shapes are equal except for leading dimensions of 1. */
export function hasLeadingOnes(shape: readonly number[], other: readonly number[]): boolean {
  const [a, b] = [bare(shape), bare(other)];
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function bare(shape: readonly number[]): readonly number[] {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? [] : shape.slice(first);
}
