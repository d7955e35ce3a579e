import { join, relative } from 'node:path';
import { shellWord } from '../io/shell.ts';
import type { RunConfig } from '../train/config.ts';
import { Dashboard } from '../train/dashboard/server.ts';
import { LiveState } from '../train/dashboard/state.ts';
import type { TrainHooks, TrainResult } from '../train/hooks.ts';
import { train } from '../train/loop.ts';
import { torchInfo } from '../train/native.ts';
import { Meter } from '../train/progress.ts';
import type { Baseline, EvaluationRow, StepRow } from '../train/record.ts';
import { evaluationLines } from '../train/report/tables.ts';
import { HealthTeller } from './health.ts';
import { interruptedCode, interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { drawShapes } from './shapes.ts';
import { recallText } from './table.ts';

export interface TrainingOptions {
  json?: boolean;
  resume?: string | null;
  /** Port of the live page; null for none. */
  dashboard?: number | null;
  /** What planning the run had to say; of no interest where it does not begin. */
  notes?: readonly string[];
}

/**
 * Trains with a meter on stderr, says what came of it and sets the exit code.
 * @param options - `json`: rows on stdout too; `resume`: the folder of the run that goes on; `dashboard`: a live page;
 * `notes`: said first
 */
export async function runTraining(
  config: RunConfig,
  { json = false, resume = null, dashboard: port = null, notes = [] }: TrainingOptions = {},
): Promise<TrainResult> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const print = (value: unknown): void => {
    if (json) jsonLine(value);
  };
  const health = new HealthTeller((text) => meter.say(text));
  torchInfo(); // says what is missing before anything is drawn
  if (config.ds === 'shapes') await drawShapes(config.path, interrupt.signal);
  const hooks: TrainHooks = {
    signal: interrupt.signal,
    resume,
    onResume: (folder, step) => {
      print({ type: 'resume', folder, step });
      meter.say(`Going on with ${relative('.', folder)} after step ${step}.`);
    },
    onBegin: (resolved) => {
      print({ type: 'config', ...resolved });
      for (const note of notes) meter.say(`Note: ${note}.`);
      meter.say(optionsText(resolved));
    },
    onWarning: (text) => meter.say(`Note: ${text}.`),
    onBaseline: (baseline) => {
      print({ type: 'baseline', ...baseline });
      meter.say(`${baseline.name}: Recall@1 ${percent(baseline.recall.at['1'])} %`);
    },
    onHealth: (row) => {
      print(row);
      health.tell(row);
    },
    onEvaluation: (row) => {
      print(row);
      meter.say(`${row.epoch === 0 ? 'Untrained' : `Epoch ${row.epoch}`}: ${spoken(row)}`);
    },
    onStep: (row, steps) => {
      print(row);
      meter.update(row.step, steps ?? row.step, stepText(row, config.bs));
    },
  };
  const result =
    port === null
      ? await train(config, hooks)
      : await trainLive(config, hooks, port, (text) => meter.say(text));
  meter.end();
  meter.say(summary(result, config));
  print({ type: 'end', folder: result.folder, steps: result.steps, interrupted: result.interrupted });
  if (result.interrupted) process.exitCode = interruptedCode;
  return result;
}

/** Trains with a live page, for as long as it trains. */
async function trainLive(
  config: RunConfig,
  hooks: TrainHooks,
  port: number,
  say: (text: string) => void,
): Promise<TrainResult> {
  const live = new LiveState(config);
  await using dashboard = await Dashboard.open(live, port);
  say(`Live page: ${dashboard.url}`);
  try {
    const result = await train(config, live.joined(hooks));
    live.end(result.interrupted ? 'stopped' : 'finished');
    return result;
  } catch (error) {
    live.end('failed');
    throw error;
  }
}

/** Every option of a run, in lines of a width that can be read. */
function optionsText(config: RunConfig): string {
  const lines = ['Options:'];
  for (const [key, value] of Object.entries(config)) {
    const option = ` ${key} ${value === null ? 'None' : value};`;
    if (lines.at(-1)!.length + option.length > 100) lines.push(' ');
    lines[lines.length - 1] += option;
  }
  return lines.join('\n').replace(/;$/, '.');
}

function stepText({ loss, accuracy, imagesPerSecond, waitMs }: StepRow, batch: number): string {
  const waited = (100 * waitMs * imagesPerSecond) / (1000 * batch);
  const pace = `${imagesPerSecond.toFixed(0)} pictures/s, ${waited.toFixed(0)} % waiting for them`;
  return `loss ${loss.toPrecision(4)}  accuracy ${percent(accuracy)} %  ${pace}`;
}

function spoken({ spaces }: EvaluationRow): string {
  const at1 = (space: keyof typeof spaces): string => percent(spaces[space]?.at['1']);
  return `Recall@1 ${at1('hyperbolic')} % (cosine ${at1('cosine')} %, backbone ${at1('body')} %)`;
}

function summary(result: TrainResult, config: RunConfig): string {
  const { evaluations, baselines, skipped, interrupted, folder } = result;
  const lines: string[] = [];
  const last = evaluations.at(-1);
  if (last) {
    const when = last.epoch === 0 ? 'Before training' : `After epoch ${last.epoch}`;
    const table = recallText([...evaluationLines(last), ...besideIt(evaluations, baselines)]);
    lines.push('', `${when}:`, table, '');
  }
  if (skipped > 0) lines.push(`${skipped} ${skipped === 1 ? 'picture' : 'pictures'} could not be read.`);
  if (interrupted) lines.push(stoppedText(result, config));
  if (folder) lines.push(`Report: ${relative('.', join(folder, 'report.html'))}`);
  return lines.join('\n');
}

/** What became of a run that was stopped, and no more than it keeps. */
function stoppedText({ steps, folder }: TrainResult, { save_every }: RunConfig): string {
  const when = steps === 0 ? 'before the first step' : `after ${steps} step${steps === 1 ? '' : 's'}`;
  if (folder === null) return `Stopped ${when}; nothing was kept.`;
  const command = `horoball train --resume ${shellWord(relative('.', folder))}`;
  if (steps === 0) return `Stopped ${when}. To begin the run again: ${command}`;
  if (save_every === null)
    return `Stopped ${when}; the weights were kept, but save_every None leaves nothing to go on from.`;
  return `Stopped ${when}. To go on: ${command}`;
}

function besideIt(evaluations: readonly EvaluationRow[], baselines: readonly Baseline[]): Baseline[] {
  const untrained = evaluations.find((row) => row.epoch === 0);
  if (untrained === undefined || evaluations.length < 2) return [...baselines];
  return [{ name: 'Untrained network, head', recall: untrained.spaces.hyperbolic }, ...baselines];
}

function percent(value: number | undefined): string {
  return value === undefined ? '-' : (100 * value).toFixed(1);
}
