import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const root: string = fileURLToPath(new URL('../../../', import.meta.url));
const require = createRequire(join(root, 'package.json'));

/** The file name of the core in `prebuilds/<platform>-<arch>/`. */
export const binaryName: string = process.platform === 'linux' ? 'horoball.glibc.node' : 'horoball.node';

/**
 * An empty folder in which the package has been installed, as `npm install` would, but without a registry.
 */
export interface Installed {
  /** The user's project. */
  project: string;
  /** The package in its node_modules. */
  packaged: string;
  /** The packed package. */
  tarball: string;
  /** The files in the tarball. */
  files: readonly string[];
  remove(): Promise<void>;
}

/** Packs this checkout and installs the tarball; the most recently built core replaces the prebuilt one. */
export async function install(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-package-'));
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: root, maxBuffer: 1 << 26 });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  const project = join(folder, 'project');
  const packaged = join(project, 'node_modules', 'horoball');
  await mkdir(packaged, { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', packaged, '--strip-components=1']);
  const prebuilds = join(packaged, 'prebuilds', `${process.platform}-${process.arch}`);
  await rm(join(packaged, 'prebuilds'), { recursive: true, force: true });
  await mkdir(prebuilds, { recursive: true });
  await copyFile(join(root, 'build/Release/core.node'), join(prebuilds, binaryName));
  await linkDependencies(packaged);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { project, packaged, tarball: join(folder, filename), files: files.map(({ path }) => path), remove };
}

/**
 * Only dependencies in the manifest, so that the test notices one that is a development dependency by
 * mistake.
 */
async function linkDependencies(packaged: string): Promise<void> {
  const text = await readFile(join(packaged, 'package.json'), 'utf8');
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    const target = join(packaged, '..', name);
    await symlink(join(root, 'node_modules', name), target, 'junction');
  }
}

/** The outcome of a program. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Node in an environment without a compiler, cmake, Python or a home folder with a cache. */
export async function bareNode(
  { project }: Installed,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const bare = { PATH: join(project, 'no-programs'), HOME: project, XDG_CACHE_HOME: '', ...env };
  try {
    const { stdout, stderr } = await run(process.execPath, args, { cwd: project, env: bare });
    return { code: 0, stdout: stdout.trim(), stderr: stderr.trim() };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code, stdout: stdout.trim(), stderr: stderr.trim() };
  }
}

/** The `bin` of the installed package. */
export function program({ packaged }: Installed): string {
  const { bin } = require(join(packaged, 'package.json')) as { bin: { horoball: string } };
  return join(dirname(join(packaged, 'package.json')), bin.horoball);
}
