import { createWriteStream } from 'node:fs';
import { relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { Command } from 'commander';
import { naming } from '../io/trouble.ts';
import { matrix } from '../matrix.ts';
import type { QueryResults } from '../retrieval.ts';
import type { RunConfig } from '../train/config.ts';
import { evaluationOf } from '../train/construct.ts';
import { type Embedded, evaluate, fusedRecall } from '../train/evaluate.ts';
import { saveEmbeddings } from '../train/export.ts';
import { Meter } from '../train/progress.ts';
import { protocolOf } from '../train/recall.ts';
import type { Recall, Space } from '../train/record.ts';
import { evaluationLines } from '../train/report/tables.ts';
import { openTestSet, type TestSet } from '../train/source.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { configOf, networkOf } from './network.ts';
import { checkOutput } from './output.ts';
import { addRunOptions, givenOptions, readingKeys } from './run-options.ts';
import { recallText } from './table.ts';

interface Options {
  fuse?: string;
  perQuery?: string;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    'What is not given is as the run was trained; the weights are those of its model.safetensors.',
  ],
  examples: [
    ['once more, with how each query fared', 'horoball eval runs/shapes-hybrid-1 --per-query queries.jsonl'],
    ['on other pictures', 'horoball eval runs/folder-hybrid-1 --ds folder --path other-pictures'],
  ],
};

/** What a trained run may be measured otherwise by. */
const changeable: readonly (keyof RunConfig)[] = [
  ...readingKeys,
  't_e',
  't_h',
  'lam',
  'compat',
  'save_emb',
  'emb_name',
];

/** `horoball eval`: measures the weights of a run again, on its own data set or on another. */
export function evalCommand(): Command {
  const command = new Command('eval')
    .description("evaluate a run's weights on its test classes, or on another data set")
    .argument('<run>', 'run folder')
    .option('--fuse <run>', 'also fuse the cosine of this run with the hyperbolic distance of another run')
    .option('--per-query <file>', 'write a line of JSON for each query, how it fared, to this file')
    .option('--json', 'print the evaluation as a line of JSON on stdout');
  addRunOptions(command, { keys: changeable, from: 'run' });
  addNotes(command, notes);
  command.action(async (run: string, options: Options & Record<string, unknown>) => {
    await evaluateRun(run, givenOptions(options), options);
  });
  return command;
}

async function evaluateRun(
  run: string,
  given: Partial<Record<keyof RunConfig, unknown>>,
  { fuse, perQuery, json }: Options,
): Promise<void> {
  if (perQuery !== undefined) await checkOutput('[eval] per-query', perQuery, { stream: true });
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const onProgress = (done: number, total: number): void => meter.update(done, total, 'pictures');
  const config = await configOf('eval', run, { ...given });
  const test = await openTestSet(config);
  for (const warning of test.warnings) meter.say(`Note: ${warning}.`);
  using embedder = await networkOf(run, config);
  const queries = new Map<Space, QueryResults>();
  const onQueries = perQuery === undefined ? undefined : queries.set.bind(queries);
  const how = { ...evaluationOf(config, test), signal, onProgress, onQueries };
  const { evaluation, embedded } = await evaluate(embedder, test.split, test.loader, how);
  const both = fuse === undefined ? null : await fused(config, test, embedded, fuse, { signal, onProgress });
  meter.end();
  for (const { path, reason } of test.loader.skipped) meter.say(`Note: skipped ${path}: ${reason}.`);
  if (perQuery !== undefined) meter.say(await writeQueries(perQuery, test, embedded, queries));
  const saved = given.save_emb ? await saveEmbeddings(run, embedder, config, signal) : [];
  for (const { file, pictures } of saved) meter.say(`${pictures} pictures: ${relative('.', file)}`);
  if (json) jsonLine({ type: 'evaluation', ...evaluation, ...(both && { fusedWith: fuse, ...both }) });
  const more = both === null ? [] : [{ name: `Fused with ${fuse}`, recall: both.fusedRuns }];
  meter.say(recallText([...evaluationLines(evaluation), ...more]));
}

/** Recall under the cosine of one run and the distance of another, weighted as the first run's options say. */
async function fused(
  config: RunConfig,
  test: TestSet,
  { euclidean, width, labels, indices }: Embedded,
  run: string,
  hooks: { signal: AbortSignal; onProgress: (done: number, total: number) => void },
): Promise<{ fusedRuns: Recall }> {
  const { ds, path, t_e: tauE, t_h: tauH, lam: lambda, compat } = config;
  const other = await configOf('eval', run, { ds, path });
  using embedder = await networkOf(run, other);
  const set = await openTestSet(other);
  const { embedded } = await evaluate(embedder, set.split, set.loader, { ks: [1], ...hooks });
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
 * A line a query: its picture, its class, and in each space its nearest picture and how far down the first hit is.
 * @returns what to say of it
 */
async function writeQueries(
  file: string,
  { split }: TestSet,
  { indices, labels }: Embedded,
  results: ReadonlyMap<Space, QueryResults>,
): Promise<string> {
  const picture = (row: number): string => relative('.', split.samples[indices[row]!]!.path);
  const out = createWriteStream(file);
  const count = results.values().next().value?.rank.length ?? 0;
  for (let query = 0; query < count; query++) {
    const spaces = [...results].map(([space, { rank, nearest, rPrecision, averagePrecision }]) => {
      const found = { nearest: nearest[query]! < 0 ? null : picture(nearest[query]!), rank: rank[query] };
      return [space, { ...found, rPrecision: rPrecision[query], averagePrecision: averagePrecision[query] }];
    });
    const row = {
      picture: picture(query),
      class: split.classes[labels[query]!],
      ...Object.fromEntries(spaces),
    };
    out.write(`${JSON.stringify(row)}\n`);
  }
  out.end();
  await naming(file, finished(out));
  return `${count} queries: ${relative('.', file)}`;
}
