import { readFile } from 'node:fs/promises';
import { coded } from '../errors.ts';
import type { RunConfig } from './config.ts';
import { resolveViT } from './vit.ts';
import { findPulled } from './weights/pull.ts';
import { findPublished } from './weights/registry.ts';

/**
 * Makes of a configuration one that means the same anywhere: a model's JSON file is taken in, `weights: 'auto'` becomes
 * the published weights of the model where they were pulled, and none where there are none.
 *
 * @param note - hears where weights that a published run would start from are missing
 * @throws `ERR_HOROBALL_OPTION` for a model that is not known or not understood
 */
export async function settled(
  config: RunConfig,
  note: (text: string) => void = () => {},
): Promise<RunConfig> {
  const model = await modelText(config.model);
  const weights = config.weights === 'auto' ? await pulledOf(model, note) : config.weights;
  const chunk = config.chunk ?? fittingChunk({ ...config, model }, note);
  return { ...config, model, weights, chunk };
}

/** Numbers a token that a block keeps for its backward pass, over the token's width: an estimate, with room. */
const keptPerToken = 20;

/**
 * A batch whose graph does not fit the memory goes through the network in parts, a power of two so that the number does
 * not hang on a few megabytes; null where it fits.
 */
function fittingChunk(config: RunConfig, note: (text: string) => void): number | null {
  if (config.device !== 'cpu') return null;
  const { depth, embedDim, patchSize } = resolveViT(config.model);
  const tokens = (config.crop / patchSize) ** 2 + 2;
  const each = 4 * keptPerToken * tokens * embedDim * depth;
  const free = process.availableMemory();
  if (config.bs * each < 0.8 * free) return null;
  const chunk = 2 ** Math.max(0, Math.floor(Math.log2((0.5 * free) / each)));
  if (chunk >= config.bs) return null;
  note(
    `a batch of ${config.bs} would take about ${gigabytes(config.bs * each)} of the ${gigabytes(free)} there are, so it goes through the network ${chunk} pictures at a time (chunk), to the same gradient`,
  );
  return chunk;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(0)} GB`;
}

async function modelText(model: string): Promise<string> {
  const text = model.endsWith('.json') ? await read(model) : model;
  resolveViT(text); // refused here, before anything is read or made
  return text === model ? model : JSON.stringify(JSON.parse(text));
}

async function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const message = `[vit] model: expected a JSON file that describes a model, got ${file} (${cause.code})`;
    throw Object.assign(coded('ERR_HOROBALL_OPTION', message, RangeError), { cause });
  });
}

async function pulledOf(model: string, note: (text: string) => void): Promise<string | null> {
  const published = findPublished(model);
  if (published === undefined) return null;
  if ((await findPulled(published.name)) !== null) return published.name;
  note(
    `the weights that ${model} was published with are not here, so this starts from random ones; for those run: horoball weights pull ${published.name}`,
  );
  return null;
}
