import { core } from '../native.ts';
import { loadJpegTurbo, loadSharp } from '../train/data/decoders.ts';
import { compilerName, fingerprint } from './build.ts';
import { versionOf } from './command.ts';
import { findLibTorch, type Looked } from './find.ts';
import { packageVersion } from './paths.ts';
import { type AddonInfo, probeAddon } from './probe.ts';
import { findAddon } from './record.ts';
import { surroundings } from './setup.ts';

/** Either what was found, or one sentence on why it is not usable. */
export type Finding<T> = ({ ok: true } & T) | { ok: false; reason: string };

/** Everything that decides whether horoball works here. */
export interface Diagnosis {
  horoball: string;
  node: string;
  platform: string;
  core: Finding<{ level: string | null; threads: number }>;
  libtorch: Finding<{ origin: string; lib: string; version: string }>;
  /** The places where libtorch was looked for, in order. */
  looked: Looked[];
  addon: Finding<AddonInfo & { file: string; current: boolean }>;
  cuda: Finding<object>;
  /** The optional packages that read pictures. */
  pictures: Finding<object>;
  compiler: string | null;
  cmake: string | null;
}

/** Looks at all of it; changes nothing and never throws. */
export async function diagnose(): Promise<Diagnosis> {
  const [search, addon, pictures, compiler, cmake] = await Promise.all([
    searched(),
    addonFinding(),
    picturesFinding(),
    versionOf(compilerName()),
    versionOf('cmake'),
  ]);
  return {
    horoball: packageVersion,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    core: coreFinding(),
    ...search,
    addon,
    cuda: cudaFinding(addon),
    pictures,
    compiler: compiler ?? null,
    cmake: cmake ?? null,
  };
}

/** Whether all works: the core, the training layer, and what reads its pictures. */
export function healthy({ core: light, addon, pictures }: Diagnosis): boolean {
  return light.ok && addon.ok && pictures.ok;
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function coreFinding(): Diagnosis['core'] {
  try {
    const { level, threads } = core().cpu;
    return { ok: true, level, threads };
  } catch (error) {
    return { ok: false, reason: sentence(error) };
  }
}

async function searched(): Promise<Pick<Diagnosis, 'libtorch' | 'looked'>> {
  try {
    const { libtorch, looked } = await findLibTorch(surroundings());
    if (libtorch !== undefined) return { libtorch: { ok: true, ...libtorch }, looked };
    return { libtorch: { ok: false, reason: 'none was found: run `npx horoball setup`' }, looked };
  } catch (error) {
    return { libtorch: { ok: false, reason: sentence(error) }, looked: [] };
  }
}

async function addonFinding(): Promise<Diagnosis['addon']> {
  const built = findAddon();
  const probed = await probeAddon();
  if ('reason' in probed) return { ok: false, reason: probed.reason };
  if (built === undefined)
    return { ok: false, reason: 'the training addon is gone: run `npx horoball setup`' };
  const current = fingerprint(built.record.libtorch) === built.record.fingerprint;
  return { ok: true, file: built.file, current, ...probed.info };
}

async function picturesFinding(): Promise<Diagnosis['pictures']> {
  try {
    await Promise.all([loadJpegTurbo(), loadSharp()]);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: sentence(error) };
  }
}

function cudaFinding(addon: Diagnosis['addon']): Diagnosis['cuda'] {
  if (!addon.ok) return { ok: false, reason: 'not known before the training addon works' };
  return addon.cuda ? { ok: true } : { ok: false, reason: 'this libtorch has no CUDA or finds no device' };
}
