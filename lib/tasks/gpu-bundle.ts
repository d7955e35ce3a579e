// npm run gpu:bundle: packs into .gpu/ everything that a GPU machine without network access needs in addition to a
// checkout of this commit: a Node binary, the packages for building and testing, and the compiled JavaScript. On that
// machine, `bench/gpu.sh` unpacks it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, '.gpu');
const maxBytes = 60e6;

/** Packages for running tests and decoding images, in addition to the dependencies of this package. */
const alsoNeeded = ['ava', 'sharp'];
/** Options of tar that exclude binaries for other platforms. */
const foreign = ['darwin', 'win32', 'linux-arm', 'musl'].map((name) => `--exclude=*/prebuilds/*${name}*`);

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/**
 * Returns the folders of the packages `names` and of their dependencies, relative to the root. Resolves packages
 * as Node does.
 */
function closure(names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string, from: string, optional = false): void => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules') - 1))) {
      const folder = join(at, 'node_modules', name);
      if (existsSync(join(root, folder, 'package.json'))) {
        if (found.has(folder)) return;
        found.add(folder);
        const { dependencies = {}, optionalDependencies = {} } = manifest(join(root, folder));
        for (const each of Object.keys(dependencies)) visit(each, folder);
        for (const each of Object.keys(optionalDependencies)) visit(each, folder, true);
        return;
      }
      if (at === '' && optional) return; // for another platform
      if (at === '') throw new Error(`${name} is not installed. Run npm install.`);
    }
  };
  for (const name of names) visit(name, '');
  return found;
}

function pack(name: string, paths: readonly string[], ...options: string[]): void {
  execFileSync('tar', ['-czf', join(folder, name), ...options, ...paths], { cwd: root });
}

function main(): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const dependencies = Object.keys(manifest(root).dependencies ?? {});
  pack('node_modules.tar.gz', Array.from(closure([...dependencies, ...alsoNeeded])).sort(), ...foreign);
  pack('dist.tar.gz', ['dist'], '--exclude=*.map', '--exclude=*.d.ts');
  writeFileSync(join(folder, 'node.gz'), gzipSync(readFileSync(process.execPath), { level: 9 }));
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' });
  writeFileSync(join(folder, 'commit'), commit);
  const sizes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size] as const);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  for (const [name, size] of sizes)
    process.stdout.write(`${(size / 1e6).toFixed(1).padStart(6)} MB  ${name}\n`);
  process.stdout.write(
    `${(total / 1e6).toFixed(1).padStart(6)} MB  in .gpu; on the GPU machine, run bench/gpu.sh\n`,
  );
  if (total > maxBytes) {
    process.stderr.write(`.gpu is over ${maxBytes / 1e6} MB\n`);
    process.exitCode = 1;
  }
}

main();
