import { relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import type { Lock } from '../io/lock.ts';
import { runPathOf } from '../io/run-path.ts';
import { writeLines } from '../io/text.ts';
import { matrix } from '../matrix.ts';
import type { QueryResults } from '../retrieval.ts';
import type { Skipped } from '../train/data/loader.ts';
import { openDataset } from '../train/data/registry.ts';
import type { Dataset } from '../train/data/types.ts';
import { type Embedded, embed, evaluate, fusedRecall, recallOf } from '../train/measure/evaluate.ts';
import { type EmbedHooks, type SplitName, saveEmbeddings, splitOf } from '../train/measure/export.ts';
import { protocolOf } from '../train/measure/recall.ts';
import { type TestSet, testSetOf } from '../train/measure/test-set.ts';
import type { Recall, Space } from '../train/measure/types.ts';
import type { RunConfig } from '../train/options/options.ts';
import { evaluationLines, spaceNames } from '../train/report/tables.ts';
import { evaluationOf } from '../train/run/construct.ts';
import { checkWeights } from '../train/run/load-run.ts';
import { checkHeld, lockRun } from '../train/run/lock.ts';
import { readConfig } from '../train/run/read.ts';
import { replacedWeights, trainedTemperatures } from '../train/run/trained-weights.ts';
import { skippedText } from '../train/run/warnings.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { configOf, networkOf, noteChangedData } from './network.ts';
import { checkOutput } from './output.ts';
import { addRunOptions, givenOptions, optionsOf } from './run-options.ts';
import { recallText } from './table.ts';

interface Options {
  fuse?: string;
  perQuery?: string;
  split: EvaluatedSplit;
  json?: boolean;
}

/** The splits that can be evaluated; queries and gallery of a data set are evaluated together, as `test`. */
const evaluatedSplits = ['test', 'train', 'all'] as const satisfies readonly SplitName[];
type EvaluatedSplit = (typeof evaluatedSplits)[number];

const notes: Notes = {
  paragraphs: [
    "Omitted options default to the run's values. A run folder selects the final network of the run (model.safetensors). To use other weights, pass a checkpoint in the folder, such as best.safetensors.",
    'Without a run, ranks images by the cosine similarity of their features in the backbone given by --model and --weights, and prints Recall@k, like eval_pretrain.py of the published code.',
  ],
  examples: [
    [
      'evaluate again and write the result of each query',
      'horoball eval runs/shapes-hybrid-1 --per-query queries.jsonl',
    ],
    ['the checkpoint of the best evaluation', 'horoball eval runs/shapes-hybrid-1/best.safetensors'],
    ['on all classes of other images', 'horoball eval runs/folder-hybrid-1 --path other-images --split all'],
    ['a pretrained backbone', 'horoball eval --model dinov2_vits14 --ds CUB --path CUB_200_2011'],
  ],
};

/** `horoball eval`: evaluates a run or a backbone, on the data set of the run or another one. */
export function evalCommand(): Command {
  const command = new Command('eval')
    .description("evaluate a run's weights or a pretrained backbone on the test classes of a data set")
    .argument(
      '[run]',
      'run folder or a checkpoint in it; if omitted, the backbone given by --model and --weights',
    )
    .option(
      '--fuse <run>',
      'also rank by a weighted sum of the cosine similarity in [run] and the hyperbolic distance in the run given here',
    )
    .addOption(
      new Option('--split <name>', 'split of the data set to evaluate')
        .choices(evaluatedSplits)
        .default('test'),
    )
    .option('--per-query <file>', 'write the result of each query to this file, one JSON object per line')
    .option('--json', 'print the evaluation as one JSON object on stdout');
  addRunOptions(command, { keys: optionsOf('eval'), from: 'run or defaults' });
  addNotes(command, notes);
  command.action(async (run: string | undefined, options: Options & Record<string, unknown>) => {
    const given = givenOptions('eval', options);
    if (run === undefined) checkBackbone(given, options);
    if (options.perQuery !== undefined)
      await checkOutput('[eval] per-query', options.perQuery, { stream: true });
    await (run === undefined ? evaluateBackbone(given, options) : evaluateRun(run, given, options));
  });
  return command;
}

type Given = Partial<Record<keyof RunConfig, unknown>>;

/**
 * Checks the options of an evaluation without a run.
 * @throws `ERR_HOROBALL_OPTION` without a backbone, or with options that need a run
 */
function checkBackbone(given: Given, { fuse }: Options): void {
  const { model, weights, save_emb: saved } = given;
  if (model === undefined && weights === undefined)
    throw usage(
      '[eval] run: expected a run folder or a backbone, got neither. Pass a folder, --model or --weights.',
    );
  if (fuse !== undefined)
    throw usage(`[eval] fuse: expected no value without a run, got ${fuse}. Pass a run folder.`);
  if (saved !== undefined)
    throw usage(
      '[eval] save_emb: expected a run with this option, got none. Pass a run folder, or write features with npx horoball embed.',
    );
}

function usage(message: string): RangeError {
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Evaluates the features of a backbone, without a head. */
async function evaluateBackbone(given: Given, { perQuery, split, json }: Options): Promise<void> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const note = (text: string): void => meter.say(`Note: ${text}.`);
  const config = await configOf('eval', undefined, { ...given }, note);
  const test = await openSplit(config, split, (text) => meter.say(text));
  for (const warning of test.warnings) note(warning);
  using embedder = await networkOf(undefined, config, note);
  const queries = new Map<Space, QueryResults>();
  const embedded = await embed(embedder, test.split, test.loader, {
    signal,
    onProgress: (done, total) => meter.count('embedding', done, total, 'img'),
  });
  const { body, bodyWidth, labels, indices } = embedded;
  const { device } = evaluationOf(config, test);
  const recall = await recallOf(matrix(body, labels.length, bodyWidth), labels, test.split.parents, {
    ...protocolOf(test.protocol, indices),
    distance: { metric: 'cosine' },
    device,
    signal,
    onQueries: perQuery === undefined ? undefined : (results) => queries.set('body', results),
  });
  meter.end();
  for (const image of test.loader.skipped) note(skippedText(image));
  if (perQuery !== undefined) meter.say(await writeQueries(perQuery, test, embedded, queries));
  const sizes = { pictures: labels.length, classes: new Set(labels).size };
  if (json) jsonLine({ type: 'evaluation', ...sizes, spaces: { body: recall } });
  meter.say(recallText([{ name: spaceNames.body, recall }]));
}

/** Opens the split to evaluate, and reports its numbers of images and classes. */
async function openSplit(
  config: RunConfig,
  name: EvaluatedSplit,
  say: (text: string) => void = () => {},
  onDataset?: EmbedHooks['onDataset'],
): Promise<TestSet> {
  const { gallery, ...dataset } = await openDataset(config.ds, config.path);
  const whole = gallery === undefined ? dataset : { ...dataset, gallery };
  const all = splitOf(whole, 'all');
  const chosen = name === 'test' ? whole : { ...dataset, test: name === 'all' ? all : dataset.train };
  const test = testSetOf(chosen, config);
  const { samples } = test.split;
  const [some, total] = [samples, all.samples].map((each) => new Set(each.map(({ label }) => label)).size);
  const classes = some === total ? `of ${total} classes` : `in ${some} of the ${total} classes`;
  say(`${name}: ${samples.length} images ${classes}`);
  await onDataset?.(whole);
  return test;
}

async function evaluateRun(
  run: string,
  given: Given,
  { fuse, perQuery, split, json }: Options,
): Promise<void> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const onProgress = (done: number, total: number): void => meter.count('embedding', done, total, 'img');
  const note = (text: string): void => meter.say(`Note: ${text}.`);
  const config = await configOf('eval', run, { ...given }, note);
  // Training in this folder would write the same embedding files, hence the lock, and could replace the weights while
  // they are read, which `replacedWeights` reports.
  const path = await runPathOf(run);
  await checkWeights(path);
  const { folder, weights } = path;
  const argument = '[eval] save_emb';
  await using lock = given.save_emb ? await lockRun(folder, argument) : null;
  const onDataset = (dataset: Dataset): Promise<void> => noteChangedData(run, given, dataset, note);
  const test = await openSplit(config, split, (text) => meter.say(text), onDataset);
  for (const warning of test.warnings) note(warning);
  const own = await readConfig(folder); // without the temperatures on the command line
  const trained = await trainedTemperatures(weights, own);
  using embedder = await networkOf(run, config);
  if (!isDeepStrictEqual(await trainedTemperatures(weights, own), trained)) throw replacedWeights(weights);
  const queries = new Map<Space, QueryResults>();
  const onQueries = perQuery === undefined ? undefined : queries.set.bind(queries);
  const onSkipped = (image: Skipped): void => note(skippedText(image));
  const hooks = { signal, onProgress, onSkipped, note };
  const current = {
    tauE: given.t_e === undefined && trained.tauE !== undefined ? trained.tauE : config.t_e,
    tauH: given.t_h === undefined && trained.tauH !== undefined ? trained.tauH : config.t_h,
  };
  const how = { ...evaluationOf(config, test, current), signal, onProgress, onQueries };
  const { evaluation, embedded } = await evaluate(embedder, test.split, test.loader, how);
  const both =
    fuse === undefined
      ? null
      : await fused(
          { ...config, t_e: current.tauE, t_h: current.tauH },
          test,
          embedded,
          { run: fuse, split },
          hooks,
        );
  meter.end();
  for (const image of test.loader.skipped) onSkipped(image);
  if (perQuery !== undefined) meter.say(await writeQueries(perQuery, test, embedded, queries));
  const hooksOf = (held: Lock) => ({
    signal,
    onSkipped,
    beforeWrite: () => checkHeld(folder, held, argument),
  });
  const saved = lock === null ? [] : await saveEmbeddings(folder, embedder, config, hooksOf(lock));
  for (const { file, images } of saved) meter.say(`${images} images: ${relative('.', file)}`);
  if (json) jsonLine({ type: 'evaluation', ...evaluation, ...(both && { fusedWith: fuse, ...both }) });
  const more = both === null ? [] : [{ name: `Fused with ${fuse}`, recall: both.fusedRuns }];
  meter.say(recallText([...evaluationLines(evaluation), ...more], test.split.levels));
}

/**
 * Returns the recall of a ranking by the weighted sum of one run's cosine similarity and another run's hyperbolic
 * distance. The temperatures and lambda of the first run determine the weights.
 */
async function fused(
  config: RunConfig,
  test: TestSet,
  { euclidean, width, labels, indices }: Embedded,
  { run, split }: { run: string; split: EvaluatedSplit },
  {
    onSkipped,
    note,
    ...hooks
  }: Required<Omit<EmbedHooks, 'onDataset'>> & { signal: AbortSignal; note: (text: string) => void },
): Promise<{ fusedRuns: Recall }> {
  const { ds, path, t_e: tauE, t_h: tauH, lam: lambda, compat } = config;
  const other = await configOf('eval', run, { ds, path }, note);
  using embedder = await networkOf(run, other);
  const set = await openSplit(other, split);
  const { embedded } = await evaluate(embedder, set.split, set.loader, { ks: [1], ...hooks });
  for (const image of set.loader.skipped) onSkipped?.(image);
  const [e, h] = [matrix(euclidean, labels.length, width), embedded];
  const ball = matrix(h.hyperbolic, h.labels.length, h.width);
  const weights = { tauE, tauH, lambda, c: embedder.c, compat: compat === 'none' ? undefined : compat };
  const fusedRuns = await fusedRecall(e, ball, labels, {
    ...protocolOf(test.protocol, indices),
    ...weights,
    signal: hooks.signal,
  });
  return { fusedRuns };
}

/**
 * Writes one line per query: its image, its class, and for each space the nearest image, the rank of the first hit,
 * R-Precision and average precision.
 * @returns a message for the user
 */
async function writeQueries(
  file: string,
  { split }: TestSet,
  { indices, labels }: Embedded,
  results: ReadonlyMap<Space, QueryResults>,
): Promise<string> {
  const pathOf = (row: number): string => relative('.', split.samples[indices[row]!]!.path);
  const count = results.values().next().value?.rank.length ?? 0;
  const line = (query: number): string => {
    const spaces = [...results].map(([space, { rank, nearest, rPrecision, averagePrecision }]) => {
      const found = { nearest: nearest[query]! < 0 ? null : pathOf(nearest[query]!), rank: rank[query] };
      return [space, { ...found, rPrecision: rPrecision[query], averagePrecision: averagePrecision[query] }];
    });
    return JSON.stringify({
      picture: pathOf(query),
      class: split.classes[labels[query]!],
      ...Object.fromEntries(spaces),
    });
  };
  function* lines(): Generator<string> {
    for (let query = 0; query < count; query++) yield line(query);
  }
  await writeLines(file, lines());
  return `${count} queries: ${relative('.', file)}`;
}
