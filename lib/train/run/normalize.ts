import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { coded } from '../../errors.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { runPathOf } from '../../io/run-path.ts';
import { shellWord } from '../../io/shell.ts';
import { readText } from '../../io/text.ts';
import { resolveViT } from '../../model/vit.ts';
import { deviceOf } from '../lane/native.ts';
import type { RunConfig } from '../options/options.ts';
import { configError } from '../options/resolve.ts';
import { findPulled } from '../weights/pull.ts';
import { findPublished } from '../weights/registry.ts';
import { readConfig } from './read.ts';

/**
 * Makes a configuration self-contained: inlines a model's JSON file, replaces device `auto` with a device of this machine,
 * and replaces weights `auto` with the name of the model's published weights, or null if they do not exist or were not
 * downloaded.
 *
 * @param note - receives a message if the published weights are missing
 * @param operation - name of the operation, for errors
 * @throws `ERR_HOROBALL_OPTION` for an unknown or invalid model; `ERR_HOROBALL_CONFIG` for options that do not fit it
 */
export async function normalizeOptions(
  config: RunConfig,
  note: (text: string) => void = () => {},
  operation: string = 'train',
): Promise<RunConfig> {
  const model = await modelText(config.model, operation);
  checkFits({ ...config, model }, operation);
  const weights = config.weights === 'auto' ? await pulledOf(model, note) : config.weights;
  await checkRun(weights, model, operation);
  return { ...config, model, weights, device: deviceOf(config.device) };
}

/** Checks options against the backbone before weights are read or a network is created. */
function checkFits({ model, crop, freeze }: RunConfig, operation: string): void {
  const { patchSize, depth } = resolveViT(model);
  if (crop % patchSize !== 0) {
    const expected = `a multiple of the backbone's patch size (${patchSize})`;
    throw configError(`[${operation}] crop: expected ${expected}, got ${crop}`);
  }
  if (freeze !== null && freeze > depth)
    throw configError(
      `[${operation}] freeze: expected at most the backbone's ${depth} blocks, got ${freeze}`,
    );
}

/** Returns the description of a model: its name, or the text of its JSON file. */
export async function modelText(model: string, operation: string): Promise<string> {
  const text = model.endsWith('.json') ? await read(model, operation) : model;
  try {
    resolveViT(text);
  } catch (error) {
    const message = (error as Error).message.replace(/^\[vit\]/, `[${operation}]`);
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  return text === model ? model : JSON.stringify(JSON.parse(text));
}

async function read(file: string, operation: string): Promise<string> {
  return readText(file).catch((cause: NodeJS.ErrnoException) => {
    const message = `[${operation}] model: expected a JSON file that describes a model, got ${file} (${reasonOf(cause)})`;
    throw Object.assign(coded('ERR_HOROBALL_OPTION', message, RangeError), { cause });
  });
}

/** Checks that weights given as a run folder, or a checkpoint in it, belong to the same backbone. */
async function checkRun(weights: string | null, model: string, operation: string): Promise<void> {
  if (weights === null) return;
  const { folder } = await runPathOf(weights);
  if (!existsSync(join(folder, 'config.json'))) return;
  const { model: trained } = await readConfig(folder);
  if (trained !== model)
    throw configError(
      `[${operation}] model: expected ${trained}, the backbone of the run ${weights}, got ${model}. Pass --model ${shellWord(trained)}.`,
    );
}

async function pulledOf(model: string, note: (text: string) => void): Promise<string | null> {
  const published = findPublished(model);
  if (published === undefined) {
    if (model !== 'vit_nano' && !model.startsWith('{'))
      note(
        `the backbone starts from random weights, because \`npx horoball weights list\` has no weights for ${model}; pass a file with --weights`,
      );
    return null;
  }
  if ((await findPulled(published.name)) !== null) return published.name;
  note(
    `the backbone starts from random weights, because the published weights of ${model} have not been downloaded; get them with: npx horoball weights pull ${published.name}`,
  );
  return null;
}
