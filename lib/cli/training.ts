import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { shellWord } from '../io/shell.ts';
import { Dashboard } from '../train/dashboard/server.ts';
import { LiveState } from '../train/dashboard/state.ts';
import { reportFolder } from '../train/distributed/launch.ts';
import { type RankGroup, singleProcess } from '../train/lane/group.ts';
import { torchInfo } from '../train/lane/native.ts';
import type { Baseline } from '../train/measure/types.ts';
import { parseEpochs } from '../train/options/epochs.ts';
import type { RunConfig } from '../train/options/options.ts';
import { Mlflow } from '../train/report/run/mlflow.ts';
import { evaluationLines } from '../train/report/tables.ts';
import { bestName } from '../train/run/checkpoint.ts';
import type { RunListener } from '../train/run/hooks.ts';
import { checkFree } from '../train/run/lock.ts';
import type { RunPlan } from '../train/run/plan.ts';
import { EvaluationTimes } from '../train/run/progress.ts';
import type { EvaluationRow, StepRow } from '../train/run/record.ts';
import type { RunSummary } from '../train/run/summary.ts';
import { type TrainResult, trainPlan } from '../train/train.ts';
import { generateData } from './generate.ts';
import { HealthReporter } from './health.ts';
import { type Interrupt, interruptible, terminatedCode } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { recallText } from './table.ts';

export interface TrainingOptions {
  json?: boolean;
  /** Port of the live page; null for no page. */
  dashboard?: number | null;
  mlflow?: string | null;
  /** Messages from planning; not shown if the run does not start. */
  notes?: readonly string[];
  /** The ranks that train together; default: this process alone. */
  group?: RankGroup;
}

/**
 * Trains with a progress meter on stderr, prints a summary, and sets the exit code.
 * @param options - see {@link TrainingOptions}; `json` also prints the rows of the log on stdout
 */
export async function runTraining(
  plan: RunPlan,
  {
    json = false,
    dashboard: port = null,
    mlflow = null,
    notes = [],
    group = singleProcess,
  }: TrainingOptions = {},
): Promise<TrainResult> {
  const { config } = plan;
  if (group.rank !== 0) return await runSilently(plan, group);
  using meter = new Meter();
  const say = (text: string): void => meter.say(text);
  using interrupt = interruptible(say);
  const { signal } = interrupt;
  const print = (value: unknown): void => {
    if (json) jsonLine(value);
  };
  const health = new HealthReporter(say);
  const { ep, eval_ep: due } = config;
  const times = new EvaluationTimes((parseEpochs(due) ?? []).filter((epoch) => epoch <= ep));
  let idleFrom = performance.now();
  torchInfo(); // fails before data is generated if libtorch or the addon is missing
  if (plan.folder !== null) await checkFree(plan.folder);
  await generateOnce(config, signal, group);
  const terminal: RunListener = {
    onStore: (folder) => {
      if (folder !== null) reportFolder(folder);
    },
    onResume: (folder, step) => {
      print({ type: 'resume', folder, step });
      say(`Resuming ${relative('.', folder)} after step ${step}.`);
    },
    onBegin: (resolved) => {
      print({ type: 'config', ...resolved });
      for (const note of notes) say(`Note: ${note}.`);
      say(optionsText(resolved));
      idleFrom = performance.now();
    },
    onSummary: (summary) => {
      print({ type: 'summary', ...summary });
      say(summaryText(summary, config));
    },
    onWarning: (text) => say(`Note: ${text}.`),
    onBaseline: (baseline) => {
      print({ type: 'baseline', ...baseline });
      say(`${baseline.name}: Recall@1 ${percent(baseline.recall.at['1'])}%`);
      idleFrom = performance.now();
    },
    onHealth: (row) => {
      print(row);
      health.report(row);
    },
    onEvaluation: (row) => {
      const took = performance.now() - idleFrom; // nothing else happens between a step and its evaluation
      times.add(took);
      meter.pause(took);
      print(row);
      say(`${row.epoch === 0 ? 'Untrained' : `Epoch ${row.epoch}`}, ${recallAt1(row)}`);
    },
    onStep: (row, steps) => {
      print(row);
      const isLast = row.step === steps;
      meter.update(
        row.step,
        steps,
        stepFields(row, steps, config),
        isLast ? 0 : times.secondsFrom(row.epoch),
      );
      idleFrom = performance.now();
    },
  };
  const warn = (text: string): void => say(`Note: ${text}.`);
  const listeners = mlflow === null ? [terminal] : [terminal, new Mlflow({ url: mlflow, warn })];
  const result =
    port === null
      ? await trainPlan(plan, listeners, { signal, group })
      : await trainLive(plan, listeners, { port, signal, say, group });
  meter.end();
  say(summary(result, config));
  print({ type: 'end', folder: result.folder, steps: result.steps, interrupted: result.interrupted });
  if (result.interrupted) process.exitCode = codeOf(interrupt);
  return result;
}

/** Trains on a rank other than 0, which prints nothing. */
async function runSilently(plan: RunPlan, group: RankGroup): Promise<TrainResult> {
  using interrupt = interruptible(() => {});
  const { signal } = interrupt;
  await generateOnce(plan.config, signal, group);
  const result = await trainPlan(plan, [], { signal, group });
  if (result.interrupted) process.exitCode = codeOf(interrupt);
  return result;
}

/** Generates the built-in data on the first rank of a machine; the others wait for it. */
async function generateOnce({ ds, path }: RunConfig, signal: AbortSignal, group: RankGroup): Promise<void> {
  group.at('data generation');
  if (group.place.localRank === 0) await generateData(ds, path, signal);
  await group.sum(new Float64Array(1)); // waits for all ranks
}

/**
 * Returns the exit code of an interrupted run. A rank that received no signal stopped because another rank did; it
 * exits as if its launcher had sent SIGTERM.
 */
function codeOf({ signal, code }: Interrupt): number {
  return signal.aborted ? code : terminatedCode;
}

interface LiveOptions {
  port: number;
  signal: AbortSignal;
  say: (text: string) => void;
  group: RankGroup;
}

/** Trains with a live page that closes when training ends. */
async function trainLive(
  plan: RunPlan,
  listeners: readonly RunListener[],
  { port, signal, say, group }: LiveOptions,
): Promise<TrainResult> {
  const live = new LiveState(plan.config);
  await using dashboard = await Dashboard.open(live, port);
  say(`Live page: ${dashboard.url}`);
  try {
    return await trainPlan(plan, [live, ...listeners], { signal, group });
  } catch (error) {
    live.onEnd('failed'); // listeners were not notified if the run was not opened
    throw error;
  }
}

/** Describes the network and the data, in one line each. */
function summaryText(
  { parameters, trainable, data, epochSteps, steps }: RunSummary,
  { model }: RunConfig,
): string {
  const name = model.startsWith('{') ? 'custom backbone' : model;
  const lines = [`Model: ${name}, ${millions(parameters)} parameters, ${millions(trainable)} trainable.`];
  const splits = Object.entries(data ?? {}).map(
    ([split, { images, classes }]) => `${split} ${grouped(images)} images in ${grouped(classes)} classes`,
  );
  if (steps !== null && epochSteps !== null)
    splits.push(
      `${grouped(epochSteps)} step${epochSteps === 1 ? '' : 's'} per epoch, ${grouped(steps)} in total`,
    );
  if (splits.length > 0) lines.push(`Data: ${splits.join('; ')}.`);
  return lines.join('\n');
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function millions(count: number): string {
  return count < 1e6 ? grouped(count) : `${(count / 1e6).toFixed(1)}M`;
}

/** Formats every run option, wrapped at 100 columns. */
function optionsText(config: RunConfig): string {
  const lines = ['Options:'];
  for (const [key, value] of Object.entries(config)) {
    const option = ` ${key} ${value === null ? 'None' : value};`;
    if (lines.at(-1)!.length + option.length > 100) lines.push(' ');
    lines[lines.length - 1] += option;
  }
  return lines.join('\n').replace(/;$/, '.');
}

/** Returns the fields of a step. `data wait` is the percentage of the step's time that was spent waiting for images. */
function stepFields(row: StepRow, steps: number | null, { ep, bs, loss: kind }: RunConfig): string[] {
  const { step, epoch, loss, accuracy, lr, imagesPerSecond, waitMs } = row;
  const waited = (100 * waitMs * imagesPerSecond) / (1000 * bs);
  return [
    `epoch ${epoch}/${ep}`,
    `step ${step}${steps === null ? '' : `/${steps}`}`,
    `loss ${loss.toPrecision(4)}`,
    ...(kind === 'views' ? [`acc ${percent(accuracy)}%`] : []),
    `lr ${lr.toExponential(1).replace(/e([+-])(\d)$/, 'e$10$2')}`,
    `${imagesPerSecond.toFixed(0)} img/s`,
    `data wait ${waited.toFixed(0)}%`,
  ];
}

function recallAt1({ spaces }: EvaluationRow): string {
  const at1 = (space: keyof typeof spaces): string => percent(spaces[space]?.at['1']);
  return `Recall@1: hyperbolic ${at1('hyperbolic')}%, cosine ${at1('cosine')}%, backbone ${at1('body')}%`;
}

function summary(result: TrainResult, config: RunConfig): string {
  const { evaluations, baselines, levels, skipped, interrupted, report } = result;
  const lines: string[] = [];
  const last = evaluations.at(-1);
  if (last) {
    const when = last.epoch === 0 ? 'Before training' : `After epoch ${last.epoch}`;
    const table = recallText([...evaluationLines(last), ...comparisons(evaluations, baselines)], levels);
    lines.push('', `${when}:`, table, '');
  }
  if (skipped > 0) lines.push(`${skipped} ${skipped === 1 ? 'image' : 'images'} could not be read.`);
  lines.push(...bestText(result));
  if (interrupted) lines.push(stoppedText(result, config));
  if (report) lines.push(`Report: ${relative('.', report)}`);
  return lines.join('\n');
}

/** Says how to use the checkpoint of the best evaluation, if the final network differs from it. */
function bestText({ folder, best, evaluations }: TrainResult): string[] {
  if (folder === null || best === null || best.step === evaluations.at(-1)?.step) return [];
  const file = join(folder, bestName);
  if (!existsSync(file)) return []; // `--save_every None` writes no checkpoints
  const word = shellWord(relative('.', file));
  return [
    `Best: epoch ${best.epoch}, Recall@1 ${percent(best.recall)}%. To evaluate it: npx horoball eval ${word}; to export it: npx horoball export ${word}`,
  ];
}

/** Describes where a run stopped and how to resume it, if it can be resumed. */
function stoppedText({ steps, folder }: TrainResult, { save_every }: RunConfig): string {
  const when = steps === 0 ? 'before the first step' : `after ${steps} step${steps === 1 ? '' : 's'}`;
  if (folder === null) return `Stopped ${when}; nothing was saved.`;
  const command = `npx horoball train --resume ${shellWord(relative('.', folder))}`;
  if (steps === 0) return `Stopped ${when}. Start the run again with: ${command}`;
  if (save_every === null)
    return `Stopped ${when}; the weights were saved, but --save_every None leaves no checkpoint to resume from.`;
  return `Stopped ${when}. Resume with: ${command}`;
}

function comparisons(evaluations: readonly EvaluationRow[], baselines: readonly Baseline[]): Baseline[] {
  const untrained = evaluations.find((row) => row.epoch === 0);
  if (untrained === undefined || evaluations.length < 2) return [...baselines];
  return [{ name: 'Untrained network, head', recall: untrained.spaces.hyperbolic }, ...baselines];
}

function percent(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '-' : (100 * value).toFixed(1);
}
