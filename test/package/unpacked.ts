import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packageOf } from '../../lib/platforms.ts';
import { mainPackage, platformPackage } from '../../lib/tasks/package-set.ts';

const run = promisify(execFile);

export const root: string = fileURLToPath(new URL('../../../', import.meta.url));
const require = createRequire(join(root, 'package.json'));

/** A project with the package and this platform's package, installed as by `npm install` but without a registry. */
export interface Installed {
  /** The user's project. */
  project: string;
  /** The package in its node_modules. */
  packaged: string;
  /** The platform's package in its node_modules; its `core.node` is the core of this checkout. */
  platform: string;
  /** The packed package. */
  tarball: string;
  /** The files in the tarball. */
  files: readonly string[];
  remove(): Promise<void>;
}

/** Packs this checkout as it is published, and installs it. */
export async function install(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-package-'));
  const main = await mainPackage(join(folder, 'main'));
  const pack = ['pack', '--json', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: main, maxBuffer: 1 << 26 });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  await rm(main, { recursive: true });
  const project = join(folder, 'project');
  const packaged = join(project, 'node_modules', 'horoball');
  await mkdir(packaged, { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', packaged, '--strip-components=1']);
  const name = `${process.platform}-${process.arch}`;
  const binary = join(root, 'build/Release/core.node');
  const platform = platformPackage(name, binary, join(project, 'node_modules', packageOf(name)));
  await linkDependencies(packaged);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const tarball = join(folder, filename);
  return { project, packaged, platform, tarball, files: files.map(({ path }) => path), remove };
}

/**
 * Links only the dependencies in the manifest, so that tests fail if the package needs a development dependency.
 */
async function linkDependencies(packaged: string): Promise<void> {
  const text = await readFile(join(packaged, 'package.json'), 'utf8');
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    const target = join(packaged, '..', name);
    await symlink(join(root, 'node_modules', name), target, 'junction');
  }
}

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

/** Returns the path of the installed package's `horoball` command. */
export function program({ packaged }: Installed): string {
  const { bin } = require(join(packaged, 'package.json')) as { bin: { horoball: string } };
  return join(dirname(join(packaged, 'package.json')), bin.horoball);
}
