import { join } from 'node:path';
import { Command } from 'commander';
import { coded } from '../errors.ts';
import { loadTrained } from '../train/checkpoint.ts';
import { parseConfig, type RunConfig } from '../train/config.ts';
import { evaluationOf, newEmbedder } from '../train/construct.ts';
import { evaluate } from '../train/evaluate.ts';
import { Meter } from '../train/progress.ts';
import { evaluationLines } from '../train/report/tables.ts';
import { readRun } from '../train/run-folder.ts';
import { openTestSet } from '../train/source.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { recallText } from './table.ts';

/** `horoball eval`: measures the weights of a run again, on its own data set or on another. */
export function evalCommand(): Command {
  const command = new Command('eval')
    .description("evaluate a run's weights on its test classes, or on another data set")
    .argument('<run>', 'run folder')
    .option('--json', 'print the evaluation as a line of JSON on stdout');
  addRunOptions(command);
  command.action(async (path: string, options: Record<string, unknown>) => {
    const { config } = await readRun(path);
    await evaluateRun(path, parseConfig({ ...config, ...givenOptions(options) }), options['json'] === true);
  });
  return command;
}

async function evaluateRun(path: string, config: RunConfig, json: boolean): Promise<void> {
  const meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const test = await openTestSet(config);
  using embedder = await newEmbedder(config);
  const { missing } = await loadTrained(join(path, 'model.safetensors'), embedder, config);
  if (missing.length > 0) {
    const message = `[eval] run: ${path}/model.safetensors lacks ${missing[0]} (of ${missing.length} parameters); it is of another network than its config.json`;
    throw coded('ERR_HOROBALL_WEIGHTS', message);
  }
  const { evaluation } = await evaluate(embedder, test.split, test.loader, {
    ...evaluationOf(config, test),
    signal: interrupt.signal,
    onProgress: (done, total) => meter.update(done, total, 'pictures'),
  });
  meter.end();
  if (json) jsonLine({ type: 'evaluation', ...evaluation });
  meter.say(recallText(evaluationLines(evaluation)));
}
