// A stopped run whose files tests damage or forge.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TensorData } from '../../../lib/io/elements.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/io/index.ts';
import { setThreads, type TrainResult, train } from '../../../lib/train/index.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

export interface StoppedRun {
  images: string;
  runs: string;
  folder: string;
  copy(): Promise<string>;
  remove(): Promise<void>;
}

/** Trains until the third of four steps. `copy` copies the run folder, so that tests can change the copy. */
export async function stoppedRun(): Promise<StoppedRun> {
  setThreads(1);
  const { path, remove } = await temporary();
  const images = join(path, 'images');
  await writeImages(images, classNames(32), 4);
  const stop = new AbortController();
  const { folder } = await train(
    { ...tinyRun, ep: 4, eval_ep: '[2]+[4]', path: images, runs: join(path, 'runs') },
    { signal: stop.signal, onStep: ({ step }) => step === 3 && stop.abort() },
  );
  let copies = 0;
  const copy = async (): Promise<string> => {
    const to = join(path, `copy-${++copies}`);
    await cp(folder!, to, { recursive: true });
    return to;
  };
  return { images, runs: join(path, 'runs'), folder: folder!, copy, remove };
}

export const resume = (folder: string): Promise<TrainResult> => train({}, { resume: folder });

/** The contents of a checkpoint. */
export interface Saved {
  tensors: Map<string, { shape: readonly number[]; data: TensorData }>;
  // biome-ignore lint/suspicious/noExplicitAny: forged contents may be anything
  contents: any;
}

/** Changes a checkpoint and writes it back with valid checksums. */
export async function forge(folder: string, change: (saved: Saved) => void): Promise<void> {
  const last = join(folder, 'last.safetensors');
  const { tensors, metadata } = await readSafetensors(last);
  const key = 'horoball.checkpoint';
  const saved = { tensors: new Map(tensors), contents: JSON.parse(metadata[key]!) };
  change(saved);
  const text = JSON.stringify(saved.contents);
  await writeSafetensors(last, saved.tensors, { metadata: { ...metadata, [key]: text }, checksums: true });
}
