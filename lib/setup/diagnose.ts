import { loadSharp } from '../io/sharp.ts';
import { core } from '../native.ts';
import { compilerName, isCurrent } from './build.ts';
import { versionOf } from './command.ts';
import { type CheckedPlace, findLibTorch } from './find.ts';
import { packageVersion } from './paths.ts';
import { type AddonInfo, probeAddon } from './probe.ts';
import { findAddon } from './record.ts';
import { searchInputs } from './setup.ts';

/** A working component, or one sentence that says why it does not work. */
export type Finding<T> = ({ ok: true } & T) | { ok: false; reason: string };

/** Everything that determines whether horoball works here. */
export interface Diagnosis {
  horoball: string;
  node: string;
  platform: string;
  core: Finding<{ level: string | null; threads: number }>;
  libtorch: Finding<{ origin: string; lib: string; version: string }>;
  /** The locations that were searched for libtorch, in order. */
  looked: CheckedPlace[];
  addon: Finding<AddonInfo & { file: string; current: boolean }>;
  cuda: Finding<object>;
  /** The version of sharp, which decodes JPEG, PNG, WebP, TIFF and GIF. */
  images: Finding<{ sharp: string }>;
  compiler: string | null;
  cmake: string | null;
}

/** Checks the whole installation. Changes nothing and never throws. */
export async function diagnose(): Promise<Diagnosis> {
  const [search, addon, images, compiler, cmake] = await Promise.all([
    searched(),
    addonFinding(),
    decoderFinding(),
    versionOf(compilerName()),
    versionOf('cmake'),
  ]);
  return {
    horoball: packageVersion,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    core: coreFinding(),
    ...search,
    libtorch: addon.ok && search.libtorch === missing ? chosenEarlier : search.libtorch,
    addon,
    cuda: cudaFinding(addon),
    images,
    compiler: compiler ?? null,
    cmake: cmake ?? null,
  };
}

/** Whether everything works: the core, the training layer and the image decoder. */
export function healthy({ core: light, addon, images }: Diagnosis): boolean {
  return light.ok && addon.ok && images.ok;
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

const missing = {
  ok: false,
  reason: 'not found; only training needs it. Run `npx horoball setup`.',
} as const;

/** The addon loads the libtorch that it was built for, even if the search does not find this libtorch. */
const chosenEarlier = {
  ok: false,
  reason: 'not found by the search, but the training addon loads the one that setup chose earlier',
} as const;

async function searched(): Promise<Pick<Diagnosis, 'libtorch' | 'looked'>> {
  try {
    const { libtorch, looked } = await findLibTorch(searchInputs());
    if (libtorch !== undefined) return { libtorch: { ok: true, ...libtorch }, looked };
    return { libtorch: missing, looked };
  } catch (error) {
    return { libtorch: { ok: false, reason: sentence(error) }, looked: [] };
  }
}

async function addonFinding(): Promise<Diagnosis['addon']> {
  const built = findAddon();
  const probed = await probeAddon();
  if (built === undefined)
    return { ok: false, reason: 'not built; only training needs it. Run `npx horoball setup`.' };
  if ('reason' in probed) return { ok: false, reason: probed.reason };
  const current = isCurrent(built.record);
  return { ok: true, file: built.file, current, ...probed.info };
}

async function decoderFinding(): Promise<Diagnosis['images']> {
  try {
    const { versions } = await loadSharp();
    return { ok: true, sharp: versions.sharp ?? 'of unknown version' };
  } catch (error) {
    return { ok: false, reason: sentence(error) };
  }
}

function cudaFinding(addon: Diagnosis['addon']): Diagnosis['cuda'] {
  if (!addon.ok) return { ok: false, reason: 'not checked, because this needs the training addon' };
  return addon.cuda ? { ok: true } : { ok: false, reason: 'this libtorch has no CUDA or finds no device' };
}
