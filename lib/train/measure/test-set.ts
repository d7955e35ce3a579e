/** The images of an evaluation, and their division into queries and gallery. */
import { ImageLoader, type ImageLoaderOptions } from '../data/loader.ts';
import { openDataset } from '../data/registry.ts';
import type { Dataset, Split } from '../data/types.ts';
import type { RunConfig } from '../options/options.ts';
import type { Protocol } from './recall.ts';

/** The data of an evaluation. */
export interface TestSet {
  name: string;
  /** The test images; with a gallery, the queries followed by the gallery. */
  split: Split;
  loader: ImageLoader;
  protocol: Protocol;
  /** Warnings about the data set. */
  warnings: readonly string[];
}

/** Opens the test set of a configuration. */
export async function openTestSet(config: RunConfig): Promise<TestSet> {
  return testSetOf(await openDataset(config.ds, config.path), config);
}

/** Returns the test set of an open data set. */
export function testSetOf({ name, test, gallery, ks, warnings }: Dataset, config: RunConfig): TestSet {
  const { split, queries } = gallery ? joined(test, gallery) : { split: test, queries: undefined };
  return { name, split, loader: loaderOf(split, config), protocol: { ks, queries }, warnings };
}

/** Creates a loader with the evaluation transform. */
export function loaderOf(split: Split, config: RunConfig): ImageLoader {
  return new ImageLoader(split, { ...loaderOptions(config), mode: 'eval', resize: config.resize });
}

/** Joins queries and gallery into one split; both have the same list of classes. */
function joined(test: Split, gallery: Split): { split: Split; queries: number } {
  const split = { ...test, samples: [...test.samples, ...gallery.samples] };
  return { split, queries: test.samples.length };
}

/** Returns the loader options that training and evaluation share. */
export function loaderOptions(config: RunConfig): Omit<ImageLoaderOptions, 'mode'> {
  const { crop, seed, workers, strict, cache, background, max_pixels: maxPixels } = config;
  const options = { size: crop, seed, concurrency: workers, strict, background, maxPixels };
  return { ...options, ...(cache !== null && { cache }) };
}
