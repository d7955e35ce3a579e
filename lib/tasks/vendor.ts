// Bundles the packages that only a few modules import, to dist/lib/vendor/ of a package, and changes the imports: zod alone
// would add 8 MB to an installation. In a checkout the imports stay as they are, because tsc would restore them in
// each module that it recompiles. Also copies the Node-API headers, with which `horoball setup` compiles.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const installed = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** The packages, each with declarations of the types that public declarations use. */
const packages: Readonly<Record<string, string>> = {
  commander: '',
  yauzl: '',
  zod: `export declare namespace z {
  interface ZodType<Output = unknown> {
    parse(value: unknown): Output;
  }
  interface ZodError {
    readonly issues: readonly unknown[];
  }
}
`,
};

export const vendored: readonly string[] = Object.keys(packages);

/** Defines `require`, with which modules bundled from CommonJS load Node's modules. */
const banner =
  "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

/** Keeps only zod's English messages: messages in fifty languages are half of its size. */
const english: Plugin = {
  name: 'english',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
  },
};

/** The packages of which only one exported object is used, with its name. Only the used members are bundled. */
const namespaces: Readonly<Record<string, string>> = { zod: 'z' };

/** Returns a pattern that matches imports from a package, as tsc writes them or minified. */
const importsOf = (name: string): RegExp =>
  new RegExp(`(import ?(?:type )?\\{([^}]*)\\} ?from ?)['"]${name.replaceAll('.', '\\.')}['"]`, 'g');

/** Bundles the packages to `vendor` in a folder `lib` (the dist/lib of a package), and changes the imports there. */
export async function vendor(lib: string): Promise<void> {
  const files = (await readdir(lib, { recursive: true })).filter(
    (name) => /\.(js|d\.c?ts)$/.test(name) && !/^(vendor|tasks)\//.test(name),
  );
  const texts = new Map<string, string>();
  for (const file of files) texts.set(file, await readFile(join(lib, file), 'utf8'));
  const folder = join(lib, 'vendor');
  await mkdir(folder, { recursive: true });
  for (const [name, types] of Object.entries(packages)) {
    const used = new Set<string>();
    const members = new Set<string>();
    for (const [file, text] of texts) {
      const extension = file.endsWith('.cts') ? 'cjs' : 'js';
      const place = posix.relative(posix.dirname(file), `vendor/${name}.${extension}`);
      const vendored = place.startsWith('.') ? place : `./${place}`;
      const changed = text.replace(importsOf(name), `$1'${vendored}'`);
      if (file.endsWith('.js')) {
        for (const [, , list = ''] of changed.matchAll(importsOf(vendored)))
          for (const each of list.split(',')) used.add(each.trim());
        const namespace = namespaces[name];
        if (changed !== text && namespace !== undefined)
          for (const [, member = ''] of changed.matchAll(new RegExp(`\\b${namespace}\\s*\\.(\\w+)`, 'g')))
            members.add(member);
      }
      if (changed !== text) await writeFile(join(lib, file), changed);
    }
    for (const extension of ['d.ts', 'd.cts']) await writeFile(join(folder, `${name}.${extension}`), types);
    const names = [...used].sort();
    await bundle(join(folder, `${name}.js`), await exportsOf(name, names, [...members].sort()));
  }
}

/** Returns a module that exports the used names of a package. */
async function exportsOf(name: string, used: readonly string[], members: readonly string[]): Promise<string> {
  const namespace = namespaces[name];
  if (namespace === undefined) return `export { ${used.join(', ')} } from '${name}';`;
  if (used.length !== 1 || used[0] !== namespace)
    throw new Error(`${name}: expected only the import ${namespace}, got ${used.join(', ')}`);
  const whole = (await import(name)) as Record<string, object>;
  // Skips names that are not members: they were found in comments.
  const kept = members.filter((member) => member in whole[namespace]!);
  const list = kept.map((member) => `${JSON.stringify(member)}: whole.${member}`);
  return `import * as whole from '${name}';\nexport const ${namespace} = { ${list.join(', ')} };`;
}

async function bundle(outfile: string, contents: string): Promise<void> {
  const { metafile } = await build({
    stdin: { contents, resolveDir: installed },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minify: true,
    keepNames: true,
    plugins: [english],
    banner: { js: banner },
    metafile: true,
    logLevel: 'warning',
  });
  const inputs = Object.keys(metafile.inputs).map((path) => /node_modules\/([^/]+)\//.exec(path)?.[1]);
  const names = [...new Set(inputs)].filter((each) => each !== undefined);
  const licenses = await Promise.all(names.map(async (each) => `${each}\n\n${await licenseOf(each)}`));
  await writeFile(`${outfile}.LICENSE`, licenses.join('\n\n'));
}

async function licenseOf(name: string): Promise<string> {
  const folder = join(installed, name);
  const file = (await readdir(folder)).find((each) => /^licen[sc]e/i.test(each));
  if (file === undefined) throw new Error(`${name} has no license file`);
  return await readFile(join(folder, file), 'utf8');
}

/** Removes lines that are comments only, except in macros of several lines. */
const withoutComments = (text: string): string => text.replaceAll(/(?<!\\\n)^[ \t]*\/\/.*(?<!\\)\n/gm, '');

/** Copies the headers of node-addon-api and node-api-headers, whose packages also contain tools and tests. */
export async function copyHeaders(to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const [name, from] of [
    ['node-addon-api', '.'],
    ['node-api-headers', 'include'],
  ] as const) {
    const folder = join(installed, name, from);
    for (const file of await readdir(folder))
      if (file.endsWith('.h'))
        await writeFile(join(to, file), withoutComments(await readFile(join(folder, file), 'utf8')));
    await writeFile(join(to, `${name}.LICENSE`), await licenseOf(name));
  }
}
