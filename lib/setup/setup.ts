import { existsSync } from 'node:fs';
import { rm, rmdir, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { coded } from '../errors.ts';
import { ensureFolder } from '../io/folder.ts';
import { Lock } from '../io/lock.ts';
import { nativeCore } from '../native.ts';
import { buildCore, buildTrainAddon, fingerprint, isCurrent, requireTools } from './build.ts';
import { findLibTorch, pythonTorch, type SearchInputs, systemFolders } from './find.ts';
import { installLibTorch, recoverLibTorch, takeFolder, takeLibTorch } from './install.ts';
import { addonFolders, cacheFolder } from './paths.ts';
import { type AddonInfo, loads, probeAddon } from './probe.ts';
import { findAddon, type LibTorch, readChoice, recordName, writeChoice } from './record.ts';
import type { Ui } from './ui.ts';

export interface SetupOptions {
  /** A folder, archive or wheel from which to take libtorch, instead of searching for one. */
  libtorch?: string | undefined;
  /** Expected SHA-256 of the archive or wheel, in hexadecimal. */
  sha256?: string | undefined;
  /** Build again even if nothing has changed. */
  force?: boolean | undefined;
}

export interface SetupResult {
  libtorch: LibTorch;
  addon: AddonInfo & { file: string };
  /** Whether anything was installed or built. */
  changed: boolean;
}

/** Returns the inputs of the search for libtorch on this machine. */
export function searchInputs(): SearchInputs {
  return { env: process.env, chosen: readChoice(), pythonTorch, system: systemFolders(), loads };
}

/**
 * Makes the training layer usable: finds or installs libtorch and builds missing binaries. If everything is up to
 * date, does nothing, unless `options` contains `force` or `libtorch`.
 * @throws Error with a code and a sentence that describes the fix.
 */
export async function setup(options: SetupOptions, ui: Ui): Promise<SetupResult> {
  const hasCore = !lacksCore();
  const ready = hasCore && !options.force && !options.libtorch ? await readyAsItIs() : undefined;
  if (ready !== undefined) return ready;
  // Rejects a wrong path before anything is written. Without a core, libtorch cannot be loaded, so it is checked later.
  if (hasCore && options.libtorch !== undefined) await takeFolder(options.libtorch);
  try {
    await using lock = await setupLock();
    const buildsCore = lacksCore(); // another setup may have built it
    if (buildsCore) await buildCore(ui, lock);
    nativeCore();
    return await install(options, buildsCore, ui, lock);
  } finally {
    await rmdir(cacheFolder()).catch(() => {}); // a failed setup leaves no empty folder
  }
}

/** Finds or installs libtorch. Builds the training addon if it is missing for this libtorch, or with the option `force`. */
async function install(options: SetupOptions, coreBuilt: boolean, ui: Ui, lock: Lock): Promise<SetupResult> {
  await recoverLibTorch();
  const libtorch = await ensureLibTorch(options, ui);
  const kept = options.force ? undefined : await keptAddon(libtorch);
  const addon = kept ?? (await newAddon(libtorch, ui, lock));
  await writeChoice(libtorch);
  return { libtorch, addon, changed: coreBuilt || kept === undefined };
}

/** Returns the addon that was built earlier for this libtorch; undefined if it is missing or damaged. */
async function keptAddon(libtorch: LibTorch): Promise<SetupResult['addon'] | undefined> {
  const built = findAddon(addonFolders(), fingerprint(libtorch));
  if (built === undefined) return undefined;
  const probed = await probeAt(built.file);
  return 'reason' in probed ? undefined : { file: built.file, ...probed.info };
}

async function newAddon(libtorch: LibTorch, ui: Ui, lock: Lock): Promise<SetupResult['addon']> {
  const { file } = await buildTrainAddon(libtorch, ui, lock);
  const probed = await probeAt(file);
  if ('reason' in probed) {
    await rm(join(dirname(file), recordName), { force: true }); // else it would be preferred to an earlier addon that works
    throw coded(probed.code, `[setup] the training addon was built but does not work: ${probed.reason}`);
  }
  return { file, ...probed.info };
}

/** Marks an addon as the most recently used one, which `findAddon` prefers, and queries it. */
async function probeAt(file: string): ReturnType<typeof probeAddon> {
  const now = new Date();
  await utimes(dirname(file), now, now);
  return await probeAddon();
}

/**
 * Returns the existing installation, if it works and the environment does not request another one. Takes no lock,
 * because the cache may be read-only. While another setup holds the lock, or after one was killed, it returns undefined:
 * libtorch may be replaced already, and the addon not yet.
 */
async function readyAsItIs(): Promise<SetupResult | undefined> {
  const { LIBTORCH: requested, LIBTORCH_USE_PYTORCH: python } = process.env;
  if (existsSync(lockFile())) return undefined;
  const built = findAddon();
  if (built === undefined || requested || python === '1') return undefined;
  if (!isCurrent(built.record)) return undefined;
  const probed = await probeAddon();
  if ('reason' in probed || existsSync(lockFile())) return undefined;
  const { libtorch } = built.record;
  return { libtorch, addon: { file: built.file, ...probed.info }, changed: false };
}

function lacksCore(): boolean {
  try {
    nativeCore();
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_NO_BINARY') throw error;
    return true;
  }
}

const lockFile = (): string => join(cacheFolder(), 'setup.lock');

/** Acquires the lock that prevents concurrent setups, which would unpack and build in the same folders. */
async function setupLock(): Promise<Lock> {
  await ensureFolder(cacheFolder());
  return await Lock.take(lockFile(), (holder, advice) =>
    coded('ERR_HOROBALL_BUILD', `[setup] ${holder} is already running setup in ${cacheFolder()}. ${advice}`),
  );
}

async function ensureLibTorch({ libtorch: given, sha256 }: SetupOptions, ui: Ui): Promise<LibTorch> {
  if (given !== undefined) return takeLibTorch(given, ui, sha256);
  const { libtorch, looked } = await findLibTorch(searchInputs());
  if (libtorch !== undefined) return libtorch;
  const searched = looked.map(({ origin, reason }) => `  ${origin}: ${reason}`).join('\n');
  ui.say(`libtorch not found:\n${searched}`);
  await requireTools('training addon'); // fails before hundreds of megabytes are downloaded
  return installLibTorch(ui);
}
