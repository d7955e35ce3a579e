import { readFile } from 'node:fs/promises';
import { coded } from '../errors.ts';
import { reasonOf } from '../io/trouble.ts';
import { configError, type RunConfig } from './config.ts';
import { resolveViT } from './vit.ts';
import { findPulled } from './weights/pull.ts';
import { findPublished } from './weights/registry.ts';

/**
 * Makes of a configuration one that means the same anywhere: a model's JSON file is taken in, `weights: 'auto'` becomes
 * the published weights of the model where they were pulled, and none where there are none.
 *
 * @param note - hears where weights that a published run would start from are missing
 * @param operation - who asks, for errors
 * @throws `ERR_HOROBALL_OPTION` for a model that is not known or not understood, `ERR_HOROBALL_CONFIG` for options that
 * do not fit it
 */
export async function settled(
  config: RunConfig,
  note: (text: string) => void = () => {},
  operation: string = 'train',
): Promise<RunConfig> {
  const model = await modelText(config.model, operation);
  checkFits({ ...config, model }, operation);
  const weights = config.weights === 'auto' ? await pulledOf(model, note) : config.weights;
  return { ...config, model, weights };
}

/** What a backbone limits, refused under the names of a run's options before anything is read or made. */
function checkFits({ model, crop, freeze }: RunConfig, operation: string): void {
  const { patchSize, depth } = resolveViT(model);
  if (crop % patchSize !== 0) {
    const expected = `a multiple of ${patchSize}, the side of the backbone's patches`;
    throw configError(`[${operation}] crop: expected ${expected}, got ${crop}`);
  }
  if (freeze !== null && freeze > depth)
    throw configError(
      `[${operation}] freeze: expected at most the backbone's ${depth} blocks, got ${freeze}`,
    );
}

async function modelText(model: string, operation: string): Promise<string> {
  const text = model.endsWith('.json') ? await read(model, operation) : model;
  try {
    resolveViT(text); // refused here, before anything is read or made
  } catch (error) {
    const message = (error as Error).message.replace(/^\[vit\]/, `[${operation}]`);
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  return text === model ? model : JSON.stringify(JSON.parse(text));
}

async function read(file: string, operation: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const message = `[${operation}] model: expected a JSON file that describes a model, got ${file} (${reasonOf(cause)})`;
    throw Object.assign(coded('ERR_HOROBALL_OPTION', message, RangeError), { cause });
  });
}

async function pulledOf(model: string, note: (text: string) => void): Promise<string | null> {
  const published = findPublished(model);
  if (published === undefined) {
    if (model !== 'vit_nano' && !model.startsWith('{'))
      note(
        `this starts from random weights, for none that ${model} was published with are known here; --weights takes a file`,
      );
    return null;
  }
  if ((await findPulled(published.name)) !== null) return published.name;
  note(
    `the weights that ${model} was published with are not here, so this starts from random ones; for those run: horoball weights pull ${published.name}`,
  );
  return null;
}
