import { join, relative } from 'node:path';
import type { RunConfig } from '../train/config.ts';
import type { TrainResult } from '../train/hooks.ts';
import { train } from '../train/loop.ts';
import { Meter } from '../train/progress.ts';
import type { Baseline, EvaluationRow, StepRow } from '../train/record.ts';
import { evaluationLines } from '../train/report/tables.ts';
import { HealthTeller } from './health.ts';
import { interruptedCode, interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { drawShapes } from './shapes.ts';
import { recallText } from './table.ts';

/**
 * Trains with a meter on stderr, says what came of it and sets the exit code.
 * @param options - `json`: rows on stdout too; `resume`: the folder of the run that goes on
 */
export async function runTraining(
  config: RunConfig,
  { json = false, resume = null }: { json?: boolean; resume?: string | null } = {},
): Promise<TrainResult> {
  const meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const print = (value: unknown): void => {
    if (json) jsonLine(value);
  };
  const health = new HealthTeller((text) => meter.say(text));
  if (config.ds === 'shapes') await drawShapes(config.path, interrupt.signal);
  const result = await train(config, {
    signal: interrupt.signal,
    resume,
    onResume: (folder, step) => {
      print({ type: 'resume', folder, step });
      meter.say(`Going on with ${relative('.', folder)} after step ${step}.`);
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
      meter.update(row.step, steps ?? row.step, stepText(row));
    },
  });
  meter.end();
  meter.say(summary(result));
  print({ type: 'end', folder: result.folder, steps: result.steps, interrupted: result.interrupted });
  if (result.interrupted) process.exitCode = interruptedCode;
  return result;
}

function stepText({ loss, accuracy, imagesPerSecond }: StepRow): string {
  return `loss ${loss.toPrecision(4)}  accuracy ${percent(accuracy)} %  ${imagesPerSecond.toFixed(0)} pictures/s`;
}

function spoken({ spaces }: EvaluationRow): string {
  const at1 = (space: keyof typeof spaces): string => percent(spaces[space].at['1']);
  return `Recall@1 ${at1('hyperbolic')} % (cosine ${at1('cosine')} %, backbone ${at1('body')} %)`;
}

function summary({ evaluations, baselines, skipped, interrupted, steps, folder }: TrainResult): string {
  const lines: string[] = [];
  const last = evaluations.at(-1);
  if (last) lines.push('', recallText([...evaluationLines(last), ...besideIt(evaluations, baselines)]), '');
  if (skipped > 0) lines.push(`${skipped} ${skipped === 1 ? 'picture' : 'pictures'} could not be read.`);
  if (interrupted) lines.push(`Stopped after ${steps} steps; the run was kept, and goes on with --resume.`);
  if (folder) lines.push(`Report: ${relative('.', join(folder, 'report.html'))}`);
  return lines.join('\n');
}

function besideIt(evaluations: readonly EvaluationRow[], baselines: readonly Baseline[]): Baseline[] {
  const untrained = evaluations.find((row) => row.epoch === 0);
  if (untrained === undefined || evaluations.length < 2) return [...baselines];
  return [{ name: 'Untrained network, head', recall: untrained.spaces.hyperbolic }, ...baselines];
}

function percent(value: number | undefined): string {
  return value === undefined ? '-' : (100 * value).toFixed(1);
}
