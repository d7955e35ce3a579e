import { coded } from '../errors.ts';
import { core } from '../native.ts';
import { buildCore, buildTrainAddon, fingerprint, requireTools } from './build.ts';
import { findLibTorch, pythonTorch, type Surroundings, systemFolders } from './find.ts';
import { installLibTorch, takeLibTorch } from './install.ts';
import { type AddonInfo, loads, probeAddon } from './probe.ts';
import { findAddon, type LibTorch, readChoice, writeChoice } from './record.ts';
import type { Ui } from './ui.ts';

export interface SetupOptions {
  /** A folder, archive or wheel to take libtorch from, instead of looking for one. */
  libtorch?: string | undefined;
  /** Build again even if nothing has changed. */
  force?: boolean | undefined;
}

/** What set-up has come to. */
export interface SetupResult {
  libtorch: LibTorch;
  addon: AddonInfo & { file: string };
  /** Whether anything was installed or built. */
  changed: boolean;
}

/** The machine as it is. */
export function surroundings(): Surroundings {
  return { env: process.env, chosen: readChoice(), pythonTorch, system: systemFolders(), loads };
}

/**
 * Makes the training layer usable: finds or installs libtorch and builds what is not built. Does nothing when
 * nothing is to do.
 * @throws Error with a code and a sentence that says what a person can do.
 */
export async function setup(options: SetupOptions, ui: Ui): Promise<SetupResult> {
  const coreBuilt = await ensureCore(ui);
  const ready = coreBuilt || options.force || options.libtorch ? undefined : await readyAsItIs();
  if (ready !== undefined) return ready;
  const libtorch = await ensureLibTorch(options, ui);
  const built = findAddon();
  const current = built !== undefined && built.record.fingerprint === fingerprint(libtorch);
  const keep = current && options.force !== true;
  const { file } = keep ? built : await buildTrainAddon(libtorch, ui);
  const probed = await probeAddon();
  if ('reason' in probed) {
    throw coded(probed.code, `the training addon was built but does not work: ${probed.reason}`);
  }
  await writeChoice(libtorch);
  return { libtorch, addon: { file, ...probed.info }, changed: coreBuilt || !keep };
}

/** What there is, if the environment asks for nothing else and it works; without looking any further. */
async function readyAsItIs(): Promise<SetupResult | undefined> {
  const { LIBTORCH: asked, LIBTORCH_USE_PYTORCH: python } = process.env;
  const built = findAddon();
  if (built === undefined || asked || python === '1') return undefined;
  const { libtorch, fingerprint: of } = built.record;
  if (of !== fingerprint(libtorch)) return undefined;
  const probed = await probeAddon();
  if ('reason' in probed) return undefined;
  return { libtorch, addon: { file: built.file, ...probed.info }, changed: false };
}

async function ensureCore(ui: Ui): Promise<boolean> {
  try {
    core();
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_NO_BINARY') throw error;
  }
  await buildCore(ui);
  core();
  return true;
}

async function ensureLibTorch({ libtorch: given }: SetupOptions, ui: Ui): Promise<LibTorch> {
  if (given !== undefined) return takeLibTorch(given, ui);
  const { libtorch, looked } = await findLibTorch(surroundings());
  if (libtorch !== undefined) return libtorch;
  const places = looked.map(({ origin, reason }) => `  ${origin}: ${reason}`).join('\n');
  ui.say(`No libtorch was found:\n${places}`);
  await requireTools('training addon'); // before hundreds of megabytes are fetched for nothing
  return installLibTorch(ui);
}
