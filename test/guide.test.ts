// Checks the documentation: links resolve, JavaScript runs with the documented results, commands and their options exist,
// and every error code is documented.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { errorCodes } from '../lib/errors.ts';
import * as core from '../lib/index.ts';
import * as io from '../lib/io/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

interface Page {
  readonly name: string;
  readonly text: string;
}

/** Folders whose Markdown pages are checked. */
const folders = ['', 'lib', 'lib/guide', 'lib/examples', 'native', 'bench'];
const pages: Page[] = folders.flatMap((folder) =>
  (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [])
    .filter((name) => name.endsWith('.md'))
    .map((name) => ({ name: join(folder, name), text: readFileSync(join(root, folder, name), 'utf8') })),
);

/** Returns the code blocks of a page that are marked with a language. */
function blocks({ text }: Page, language: string): string[] {
  return Array.from(
    text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms')),
    ([, code]) => code!,
  );
}

/** Returns the anchors of all headings in a Markdown text. */
function anchors(text: string): string[] {
  const headings = Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading]) => heading!);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('every link in the documentation resolves', (t) => {
  const broken: string[] = [];
  let count = 0;
  for (const { name, text } of pages) {
    const prose = text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '');
    for (const [, target = ''] of prose.matchAll(/\]\(\s*([^)\s]+)\s*\)/g)) {
      count++;
      if (/^https:\/\/[\w.-]+\.[a-z]+(\/|$)/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? join(root, name) : join(root, dirname(name), path);
      const known =
        existsSync(file) && (anchor === undefined || anchors(readFileSync(file, 'utf8')).includes(anchor));
      if (!known) broken.push(`${name}: ${target}`);
    }
  }
  t.true(count > 20);
  t.deepEqual(broken, []);
});

test("the README's first example is under 15 lines", (t) => {
  const [first = ''] = blocks(pages.find(({ name }) => name === 'README.md')!, 'js');
  t.true(first.trimEnd().split('\n').length < 15);
  t.regex(first, /from 'horoball'/);
});

const AsyncFunction = (async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<void>;

/**
 * Turns a module's text into the body of a function: imports come from `modules`, and `x; // => y` becomes a comparison.
 */
function asFunction(code: string): string {
  return code
    .replaceAll(/^import \{([^}]+)\} from '([^']+)';$/gm, "const {$1} = modules['$2'];")
    .replaceAll(/^(.+); \/\/ => (.+)$/gm, 'same($1, $2);');
}

const modules: Record<string, unknown> = { horoball: core, 'horoball/io': io };
for (const page of pages) {
  for (const [i, code] of blocks(page, 'js').entries()) {
    if (/'horoball\/(train|embed)'/.test(code)) continue; // run by test/{train,embed}/guide.test.ts
    test(`${page.name}: example ${i + 1} runs`, async (t) => {
      const same = (got: unknown, want: unknown) => t.deepEqual(got, want);
      await new AsyncFunction('modules', 'same', asFunction(code))(modules, same);
      t.pass();
    });
  }
}

const main = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url));

/** All documented calls of the command line, with continued lines joined. */
const calls = pages.flatMap((page) =>
  blocks(page, 'sh').flatMap((code) =>
    Array.from(code.replaceAll(/\\\n/g, ' ').matchAll(/^(?:npx )?horoball (.+)$/gm), ([, line]) => ({
      page: page.name,
      line: line!.replace(/ #.*/, ''),
    })),
  ),
);

test('every documented command exists, with its options', async (t) => {
  const helps = new Map<string, string>();
  for (const { page, line } of calls) {
    const words = line.split(/\s+/);
    const command = words.slice(0, words[0] === 'data' || words[0] === 'weights' ? 2 : 1);
    const key = command.join(' ');
    if (!helps.has(key)) {
      helps.set(key, (await run(process.execPath, [main, ...command, '--help'])).stdout);
    }
    for (const option of words.filter((word) => word.startsWith('--'))) {
      const name = option.split('=')[0]!.replaceAll('-', '_').replace('__', '--');
      t.true(
        helps
          .get(key)!
          .replaceAll(/(?<=\w)-(?=\w)/g, '_')
          .includes(name),
        `${page}: ${key} ${option}`,
      );
    }
  }
  t.true(calls.length > 5);
});

test('documented npm scripts exist', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const named = pages.flatMap(({ name, text }) =>
    Array.from(text.matchAll(/npm run ([\w:]+)/g), ([, script]) => ({ name, script: script! })),
  );
  t.true(named.length > 5);
  t.deepEqual(
    named.filter(({ script }) => !(script in scripts)),
    [],
  );
});

test('errorCodes and lib/guide/errors.md list exactly the codes that are thrown', (t) => {
  const page = pages.find(({ name }) => name === join('lib/guide', 'errors.md'))!.text;
  const explained = new Set(Array.from(page.matchAll(/^\| `(ERR_HOROBALL_\w+)`/gm), ([, code]) => code!));
  const used = new Set<string>();
  for (const folder of ['lib', 'native']) {
    for (const name of readdirSync(join(root, folder), { recursive: true }) as string[]) {
      if (!/\.(ts|cc|h|cu)$/.test(name) || name.includes('build/')) continue;
      const all = readFileSync(join(root, folder, name), 'utf8');
      const text = name === 'errors.ts' ? all.replace(/errorCodes = \[[^\]]+\]/, '') : all;
      for (const [code] of text.matchAll(/(?<=["'])ERR_HOROBALL_\w+(?=["'])/g)) used.add(code);
    }
  }
  t.true(used.size > 30);
  t.deepEqual(
    [...used].filter((code) => !explained.has(code)),
    [],
  );
  t.deepEqual(
    [...explained].filter((code) => !used.has(code)),
    [],
  );
  t.deepEqual([...errorCodes], [...used].sort());
});
