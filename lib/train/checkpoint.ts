import { writeSafetensors } from '../io/safetensors.ts';
import type { Embedder } from './model.ts';

/**
 * Writes a network as safetensors under timm's parameter names; the file's metadata says how it was made.
 * The file appears whole or not at all. `loadWeights` reads it back.
 */
export async function saveWeights(path: string, embedder: Embedder): Promise<void> {
  const metadata = { format: 'pt', horoball: JSON.stringify({ ...embedder.config, c: embedder.c }) };
  await writeSafetensors(path, await embedder.state(), { metadata });
}
