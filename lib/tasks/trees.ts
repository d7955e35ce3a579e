// Prints the tables of lib/guide/trees.md: node dist/lib/tasks/trees.js STUDY... Each study varies the option `tree` in
// one geometry; seeds and all other options are the same in all studies. Seeds that some arm has not finished are
// omitted.
import { join } from 'node:path';
import { geometryTerms } from '../card-names.ts';
import { trainedSpace } from '../train/options/define.ts';
import type { RunConfig } from '../train/options/options.ts';
import { readRun } from '../train/run/read.ts';
import { readStudy } from '../train/study/folder.ts';
import { baseline } from '../train/study/plan.ts';
import { runName } from '../train/study/results.ts';
import { average, estimate, holm, pairedTest } from '../train/study/statistics.ts';

/** The metrics of a run, in the space that the run trains. Only the first two are tested for significance. */
const metrics = [
  'Recall@1',
  'rank correlation',
  'Recall@1, parents',
  'LCA height',
  'depth and radius',
] as const;
const tested = metrics.slice(0, 2);
type Metrics = Record<(typeof metrics)[number], number>;

interface Arm {
  name: string;
  geometry: RunConfig['geometry'];
  tree: string;
  runs: Map<number, Metrics>;
}

const none = 'no tree';

async function armsOf(path: string): Promise<Arm[]> {
  const { plan, results } = await readStudy(path);
  const arms = plan.cells.map(async (cell): Promise<Arm> => {
    const { geometry, tree } = cell.config;
    const seeds = results.filter((result) => result.cell === cell.id).map(({ seed }) => seed);
    const runs = seeds.map(
      async (seed) => [seed, await metricsOf(join(path, 'runs', runName(cell, seed)), geometry)] as const,
    );
    return {
      name: `${geometry}, ${tree ?? none}`,
      geometry,
      tree: tree ?? none,
      runs: new Map(await Promise.all(runs)),
    };
  });
  return await Promise.all(arms);
}

async function metricsOf(folder: string, geometry: RunConfig['geometry']): Promise<Metrics> {
  const { rows, snapshot } = await readRun(folder);
  const space = trainedSpace(geometry);
  const last = rows.findLast((row) => row.type === 'evaluation')!;
  const { spaces, depthRadius } = snapshot!.hierarchy!;
  const { recall, spearman, nearestLca } = spaces[space];
  return {
    'Recall@1': last.spaces[space].at['1']!,
    'rank correlation': spearman,
    'Recall@1, parents': recall['1']![1]!,
    'LCA height': nearestLca,
    'depth and radius': geometryTerms[geometry].curved ? depthRadius : Number.NaN,
  };
}

/**
 * A paired comparison of two arms. `of` returns the difference in one metric for one seed. For the gain of a tree, it
 * returns the difference with the tree minus the difference without it.
 */
interface Comparison {
  name: string;
  of: (seed: number, metric: keyof Metrics) => number;
}

function comparisonsOf(arms: readonly Arm[]): Comparison[] {
  const find = (geometry: string, tree: string): Arm | undefined =>
    arms.find((arm) => arm.geometry === geometry && arm.tree === tree);
  const minus = (one: Arm, other: Arm) => (seed: number, metric: keyof Metrics) =>
    one.runs.get(seed)![metric] - other.runs.get(seed)![metric];
  const ofTrees = arms
    .filter(({ tree }) => tree !== none)
    .map((arm) => ({
      name: `${arm.geometry}: ${arm.tree} - ${none}`,
      of: minus(arm, find(arm.geometry, none)!),
    }));
  const ofGeometries = arms.flatMap((arm) => {
    const flat = find(baseline, arm.tree);
    if (arm.geometry === baseline || flat === undefined) return [];
    const name = `${arm.tree}: ${arm.geometry} - ${baseline}`;
    const of = minus(arm, flat);
    if (arm.tree === none) return [{ name, of }];
    const [plain, plainFlat] = [find(arm.geometry, none)!, find(baseline, none)!];
    const gain = (seed: number, metric: keyof Metrics): number =>
      of(seed, metric) - minus(plain, plainFlat)(seed, metric);
    return [
      { name, of },
      { name: `gain of ${arm.tree}: ${arm.geometry} - ${baseline}`, of: gain },
    ];
  });
  return [...ofTrees, ...ofGeometries];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

const shown = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(3));
const signed = (value: number): string => (value < 0 ? '' : '+') + value.toFixed(3);

const arms = (await Promise.all(process.argv.slice(2).map(armsOf))).flat();
const seeds = [...arms[0]!.runs.keys()].filter((seed) => arms.every(({ runs }) => runs.has(seed)));
const means = arms.map(({ name, runs }) => [
  name,
  ...metrics.map((metric) => shown(average(seeds.map((seed) => runs.get(seed)![metric])))),
]);
const pairs = comparisonsOf(arms).flatMap(({ name, of }) =>
  tested.map((metric) => ({ name, metric, differences: seeds.map((seed) => of(seed, metric)) })),
);
const ps = holm(pairs.map(({ differences }) => pairedTest(differences)));
const differences = pairs.map(({ name, metric, differences }, i) => {
  const { mean, low, high } = estimate(differences);
  return [name, metric, signed(mean), `${signed(low)} to ${signed(high)}`, ps[i]!.toPrecision(2)];
});
process.stdout.write(
  `Seeds: ${seeds.join(', ')}\n\n` +
    `${table(['arm', ...metrics], means)}\n${table(['comparison', 'metric', 'difference', '95% interval', 'p (Holm)'], differences)}`,
);
