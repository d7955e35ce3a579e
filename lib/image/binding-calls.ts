// Generated from native/bind/image.h by `npm run ops`: edit that file instead.
// lib/call/binding-calls.ts documents threads and job.
import type { Outcome, PlacedCalls } from '../call/binding-calls.ts';

export interface DecodeJpegCall {
  width: number;
  height: number;
  channels: number;
  length: number;
  file: Uint8Array | null;
  out: Uint8Array | null;
  decoded: Uint8Array | null;
  threads: number;
  job: number;
}

export function decodeJpeg(core: Pick<PlacedCalls, 'decodeJpeg'>, a: DecodeJpegCall): Outcome {
  // biome-ignore format: one argument per line
  return core.decodeJpeg(
    a.width,
    a.height,
    a.channels,
    a.length,
    a.file,
    a.out,
    a.decoded,
    a.threads,
    a.job,
  );
}

export interface ResampleCall {
  width: number;
  height: number;
  layout: number;
  pixels: Uint8Array | null;
  background: number;
  top: number;
  left: number;
  boxHeight: number;
  boxWidth: number;
  outHeight: number;
  outWidth: number;
  windowTop: number;
  windowLeft: number;
  size: number;
  flip: boolean;
  out: Uint8Array | null;
  threads: number;
  job: number;
}

export function resample(core: Pick<PlacedCalls, 'resample'>, a: ResampleCall): Outcome {
  // biome-ignore format: one argument per line
  return core.resample(
    a.width,
    a.height,
    a.layout,
    a.pixels,
    a.background,
    a.top,
    a.left,
    a.boxHeight,
    a.boxWidth,
    a.outHeight,
    a.outWidth,
    a.windowTop,
    a.windowLeft,
    a.size,
    a.flip,
    a.out,
    a.threads,
    a.job,
  );
}

export interface AugmentCall {
  size: number;
  steps: number;
  list: Float64Array | null;
  pixels: Uint8Array | null;
  out: Uint8Array | null;
  threads: number;
  job: number;
}

export function augment(core: Pick<PlacedCalls, 'augment'>, a: AugmentCall): Outcome {
  // biome-ignore format: one argument per line
  return core.augment(
    a.size,
    a.steps,
    a.list,
    a.pixels,
    a.out,
    a.threads,
    a.job,
  );
}
