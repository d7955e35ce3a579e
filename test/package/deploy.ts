// `npm run test:deploy`: publishes the packages to a local registry, installs them with npm in an empty folder, and builds
// a Next.js server with `output: 'standalone'`, which must run in another folder with the native core. Installs Verdaccio
// and Next.js (400 MB) into the folder that is the first argument, or a temporary one.
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { mainPackage, platformPackage } from '../../lib/tasks/package-set.ts';
import { root } from './unpacked.ts';

const run = promisify(execFile);
const versions = { verdaccio: '6.0.5', next: '16.4.6', react: '19.2.0', 'react-dom': '19.2.0' };
const name = `${process.platform}-${process.arch}`;
const port = 4873;
const local = `http://127.0.0.1:${port}/`;

const folder =
  process.argv[2] === undefined
    ? await mkdtemp(join(tmpdir(), 'horoball-deploy-'))
    : resolve(process.argv[2]);
const inFolder = async (path: string, files: Readonly<Record<string, string>>): Promise<string> => {
  const at = join(folder, path);
  await mkdir(at, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(at, file), text);
  return at;
};
const npm = async (cwd: string, ...args: string[]): Promise<string> => {
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts'];
  return (await run('npm', [...args, ...flags], { cwd, maxBuffer: 1 << 26 })).stdout;
};
const say = (text: string): boolean => process.stderr.write(`${text}\n`);

async function registry(): Promise<() => void> {
  const upstream = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
  // Pins node-fetch, because some registry mirrors lack an old tag of it.
  const manifest = { private: true, overrides: { 'node-fetch': '2.7.0' } };
  const at = await inFolder('registry', {
    'package.json': JSON.stringify(manifest),
    'config.yaml': `storage: ./storage
uplinks: { upstream: { url: '${upstream}' } }
packages:
  '@horoball/*': { access: $all, publish: $all, unpublish: $all }
  'horoball': { access: $all, publish: $all, unpublish: $all }
  '**': { access: $all, proxy: upstream }
log: { type: stdout, format: pretty, level: error }
`,
  });
  await npm(at, 'install', `verdaccio@${versions.verdaccio}`);
  await rm(join(at, 'storage'), { recursive: true, force: true });
  const args = ['node_modules/verdaccio/bin/verdaccio', '--config', 'config.yaml', '--listen', local];
  const server = spawn(process.execPath, args, { cwd: at, stdio: 'inherit' });
  for (let tries = 0; tries < 100; ++tries) {
    if ((await fetch(local).catch(() => undefined)) !== undefined) break;
    await sleep(300);
  }
  return () => server.kill();
}

async function publish(): Promise<void> {
  const binary = join(root, 'build/Release/core.node');
  const folders = [
    platformPackage(name, binary, join(folder, 'packages/core')),
    await mainPackage(join(folder, 'packages/horoball')),
  ];
  for (const each of folders) {
    await writeFile(join(each, '.npmrc'), `//127.0.0.1:${port}/:_authToken=none\n`);
    await npm(each, 'publish', '--registry', local);
  }
}

/** A route that responds with a computed distance and the SIMD level of the core. */
const route = `import { coreInfo, dist, matrix } from 'horoball';
export const dynamic = 'force-dynamic';
export async function GET() {
  const x = matrix(new Float64Array([0, 0]), 1, 2), y = matrix(new Float64Array([0.5, 0]), 1, 2);
  const { data } = await dist(x, y, { c: 1 });
  return Response.json({ distance: data[0], level: coreInfo().level });
}
`;
const config = `export default { output: 'standalone', serverExternalPackages: ['horoball'], outputFileTracingRoot: import.meta.dirname };\n`;

async function standalone(): Promise<void> {
  const { next, react } = versions;
  const dependencies = { next, react, 'react-dom': react, horoball: '*' };
  const app = await inFolder('app', {
    'package.json': JSON.stringify({ private: true, dependencies }),
    'next.config.mjs': config,
    '.npmrc': `registry=${local}\n`,
  });
  await inFolder('app/app/distance', { 'route.js': route });
  await npm(app, 'install');
  say(`node_modules/@horoball: ${await readdir(join(app, 'node_modules/@horoball'))}`);
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  say((await run('npx', ['next', 'build'], { cwd: app, env, maxBuffer: 1 << 26 })).stdout);
  const away = join(folder, 'away');
  await rm(away, { recursive: true, force: true });
  await cp(join(app, '.next/standalone'), away, { recursive: true, verbatimSymlinks: true });
  await rm(app, { recursive: true });
  const server = spawn(process.execPath, ['server.js'], {
    cwd: away,
    env: { ...env, PORT: '4874', HOSTNAME: '127.0.0.1' },
    stdio: 'inherit',
  });
  try {
    let answer: Response | undefined;
    for (let tries = 0; tries < 100 && answer === undefined; ++tries) {
      await sleep(300);
      answer = await fetch('http://127.0.0.1:4874/distance').catch(() => undefined);
    }
    const { distance, level } = (await answer!.json()) as { distance: number; level: string };
    say(`distance ${distance}, core ${level}`);
    if (Math.abs(distance - 1.0986122886681098) > 1e-12 || level === 'simd128') process.exitCode = 1;
  } finally {
    server.kill();
  }
}

const stop = await registry();
try {
  await publish();
  await standalone();
} finally {
  stop();
}
if (process.argv[2] === undefined) await rm(folder, { recursive: true });
say(process.exitCode === undefined ? 'deployed' : 'failed');
