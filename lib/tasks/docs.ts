// npm run docs [-- DIR]: writes the documentation as a folder of HTML, docs/: the readmes, the guide, every option, and every
// export with its signature. TypeDoc renders it, with search, type links, highlighting and contents per page. It is
// installed in a separate folder, lib/tasks/docs, because it needs an older version of TypeScript. Neither this program
// nor its pages use the network.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const out = resolve(root, process.argv[2] ?? 'docs');
const work = join(root, 'build/docs');
const typedoc = join(root, 'lib/tasks/docs/node_modules/typedoc/bin/typedoc');

/** A page, with the path of its source in the repository; a generated page has the path that a source would have. */
interface Page {
  readonly source: string;
  readonly group: string;
  readonly markdown: string;
}

const read = (source: string, group: string): Page => ({
  source,
  group,
  markdown: readFileSync(join(root, source), 'utf8'),
});

/** Returns the pages of the guide, in the order of its table of contents. */
function guide(): Page[] {
  const { markdown } = read('lib/guide/README.md', '');
  const names = Array.from(markdown.matchAll(/\]\((\w+\.md)\)/g), ([, name]) => name!);
  return names.map((name) => read(`lib/guide/${name}`, 'Guide'));
}

/** Returns the page with the `--help` text of every command. */
function options(): Page {
  const main = join(root, 'dist/lib/cli/main.js');
  const help = (...command: string[]): string =>
    execFileSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8' });
  const commands = [...help().matchAll(/^ {2}(\w+) /gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help');
  const parts = commands.map((name) => `## horoball ${name}\n\n\`\`\`text\n${help(name)}\`\`\`\n`);
  return { source: 'lib/guide/options.md', group: 'Guide', markdown: `# Options\n\n${parts.join('\n')}` };
}

function examples(): Page[] {
  const names = readdirSync(join(root, 'lib/examples')).filter((name) => name.endsWith('.mjs'));
  const pages = names.map((name): Page => {
    const code = readFileSync(join(root, 'lib/examples', name), 'utf8');
    const markdown = `# ${name}\n\n\`\`\`js\n${code}\`\`\`\n`;
    return { source: `lib/examples/${name}`, group: 'Examples', markdown };
  });
  return [read('lib/examples/README.md', 'Examples'), ...pages];
}

const inside = ['lib/README.md', 'native/README.md', 'bench/README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const home = read('README.md', '');
const pages = [
  read('lib/guide/README.md', 'Guide'),
  ...guide(),
  options(),
  ...examples(),
  ...inside.map((source) => read(source, 'Inside')),
];

/** Returns the path of the page that is written for a source. TypeDoc reads only files that end in .md. */
const fileOf = (source: string): string => source.replace(/\.mjs$/, '.mjs.md');
const files = new Map([home, ...pages].map(({ source }) => [source, fileOf(source)]));
const titleOf = ({ markdown }: Page): string =>
  /^# (.+)$/m.exec(markdown)?.[1]?.replaceAll('`', '') ?? 'horoball';

/** Returns the text of a page, with links to files without a page as plain text, and copies the images of the page. */
function linked({ source, markdown }: Page): string {
  return markdown.replaceAll(
    /(!?)\[([^\]]*)\]\(([^)\s]+)\)/g,
    (whole, image: string, text: string, href: string) => {
      if (/^(https?:|#)/.test(href)) return whole;
      const [path = '', part] = href.split('#');
      const target = posix.join(posix.dirname(source), path);
      if (image !== '') {
        mkdirSync(dirname(join(work, target)), { recursive: true });
        copyFileSync(join(root, target), join(work, target));
        return whole;
      }
      const file = files.get(target);
      if (file === undefined) return text;
      const to = posix.relative(posix.dirname(fileOf(source)), file);
      return `[${text}](${to.startsWith('.') ? to : `./${to}`}${part === undefined ? '' : `#${part}`})`;
    },
  );
}

function write(page: Page): string {
  const file = join(work, fileOf(page.source));
  mkdirSync(dirname(file), { recursive: true });
  const front =
    page === home ? '' : `---\ntitle: ${JSON.stringify(titleOf(page))}\ngroup: ${page.group}\n---\n`;
  writeFileSync(file, `${front}${linked(page)}`);
  return file;
}

const entries = {
  horoball: 'index',
  'horoball/io': 'io/index',
  'horoball/embed': 'embed/index',
  'horoball/train': 'train/index',
};

/** Writes one module per entry point of the package, named as programs import it, and returns the paths. */
function entryPoints(): string[] {
  return Object.entries(entries).map(([name, module]) => {
    const file = join(work, `${name.replace('/', '-')}.ts`);
    const text = `/** @module ${name} */\nexport * from '../../lib/${module}.ts';\n`;
    writeFileSync(file, text);
    return file;
  });
}

function main(): void {
  if (!existsSync(typedoc)) {
    process.stderr.write('TypeDoc is not installed. Run: npm ci --prefix lib/tasks/docs --ignore-scripts\n');
    process.exit(1);
  }
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const readme = write(home);
  const documents = pages.map(write);
  const compilerOptions = { rootDir: root, noEmit: true, composite: false, incremental: false };
  const tsconfig = join(work, 'tsconfig.json');
  writeFileSync(
    tsconfig,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions,
      include: ['*.ts', join(root, 'lib/**/*.d.ts')],
    }),
  );
  const settings = {
    ...{ name: 'horoball', readme, out, tsconfig, entryPoints: entryPoints(), projectDocuments: documents },
    plugin: [join(root, 'lib/tasks/docs/node_modules/typedoc-plugin-missing-exports/index.js')],
    placeInternalsInOwningModule: true,
    ...{
      disableSources: true,
      disableGit: true,
      excludeInternal: true,
      excludeExternals: true,
      excludePrivate: true,
      includeVersion: true,
    },
    ...{
      sort: ['source-order'],
      sortEntryPoints: false,
      groupOrder: ['Guide', 'Examples', 'Modules', 'Inside', '*'],
    },
    ...{
      categorizeByGroup: false,
      searchInDocuments: true,
      searchInComments: true,
      treatWarningsAsErrors: false,
    },
    navigation: { includeGroups: true, includeCategories: false, includeFolders: false },
    highlightLanguages: [
      'js',
      'ts',
      'typescript',
      'javascript',
      'sh',
      'bash',
      'json',
      'cpp',
      'dockerfile',
      'yaml',
      'python',
      'text',
    ],
    validation: { notExported: false, invalidLink: true, notDocumented: false },
    logLevel: 'Warn',
  };
  const config = join(work, 'typedoc.json');
  writeFileSync(config, JSON.stringify(settings, null, 2));
  const { status } = spawnSync(process.execPath, [typedoc, '--options', config], {
    cwd: work,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  process.stderr.write(`${join(out, 'index.html')}\n`);
}

main();
