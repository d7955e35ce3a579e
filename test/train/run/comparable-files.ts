import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors } from '../../../lib/io/index.ts';

/** Returns the contents of the files of a run, without fields that depend on time. */
export async function comparableFiles(folder: string): Promise<Record<string, unknown>> {
  const lines = (await readFile(join(folder, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const rows = lines.map((line) => {
    const { seconds: _, imagesPerSecond: __, waitMs: ___, crc32: ____, ...row } = JSON.parse(line);
    return row;
  });
  const left: Record<string, unknown> = { rows };
  for (const name of ['last', 'best'])
    left[name] = (await readSafetensors(join(folder, `${name}.safetensors`))).tensors;
  left['model'] = await readFile(join(folder, 'model.safetensors'));
  // `log` is the checksum of a row with times.
  const {
    log: _,
    crc32: __,
    ...snapshot
  } = JSON.parse(await readFile(join(folder, 'snapshot.json'), 'utf8'));
  left['snapshot'] = JSON.stringify(snapshot);
  return left;
}
