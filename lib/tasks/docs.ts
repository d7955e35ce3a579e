// npm run docs: writes the guide, the readmes, every option and every export as a folder of plain HTML,
// docs/. Neither this program nor its pages load anything from the network.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Marked } from 'marked';
import { publicDeclarations } from './api.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const out = resolve(root, process.argv[2] ?? 'docs');

interface Page {
  /** Its source file in the repository, or the path that one would have. */
  readonly source: string;
  readonly markdown: string;
}

const read = (source: string): Page => ({ source, markdown: readFileSync(join(root, source), 'utf8') });
/** In the order of its table of contents. */
const guide = Array.from(
  read('lib/guide/README.md').markdown.matchAll(/\]\((\w+\.md)\)/g),
  ([, name]) => name!,
);
const examples = readdirSync(join(root, 'lib/examples')).filter((name) => name.endsWith('.mjs'));

const sections: Record<string, Page[]> = {
  '': [read('README.md')],
  Guide: [read('lib/guide/README.md'), ...guide.map((name) => read(`lib/guide/${name}`)), options()],
  Reference: [
    api('horoball', 'index'),
    api('horoball/io', 'io/index'),
    api('horoball/embed', 'embed/index'),
    api('horoball/train', 'train/index'),
  ],
  Examples: [read('lib/examples/README.md'), ...examples.map(listing)],
  Inside: ['lib/README.md', 'native/README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map(read),
};

function listing(name: string): Page {
  const code = readFileSync(join(root, 'lib/examples', name), 'utf8');
  return { source: `lib/examples/${name}`, markdown: `# ${name}\n\n\`\`\`js\n${code}\`\`\`\n` };
}

/** The `--help` text of every command. */
function options(): Page {
  const help = (...command: string[]): string =>
    execFileSync(process.execPath, [join(root, 'dist/lib/cli/main.js'), ...command, '--help'], {
      encoding: 'utf8',
    });
  const commands = [...help().matchAll(/^ {2}(\w+) /gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help');
  const parts = commands.map((name) => `## horoball ${name}\n\n\`\`\`\n${help(name)}\`\`\`\n`);
  return { source: 'lib/guide/options.md', markdown: `# Options\n\n${parts.join('\n')}` };
}

function api(name: string, index: string): Page {
  const modules = publicDeclarations(join(root, 'dist/lib', `${index}.d.ts`));
  const isType = ({ code }: { code: string }): number => Number(/^export (interface|type) /.test(code));
  const all = modules.flatMap(({ declarations }) => declarations).sort((a, b) => isType(a) - isType(b));
  const parts = all.map(
    ({ name, comment, code }) => `## ${name}\n\n${comment}\n\n\`\`\`ts\n${code}\n\`\`\`\n`,
  );
  return { source: `api/${name.replace('/', '-')}.md`, markdown: `# ${name}\n\n${parts.join('\n')}` };
}

const pages = Object.values(sections).flat();
const targets = new Map(pages.map(({ source }) => [source, target(source)]));

function target(source: string): string {
  return source === 'README.md'
    ? 'index.html'
    : source.replace(/\.\w+$/, '.html').replace('README.html', 'index.html');
}

const titleOf = ({ markdown }: Page): string => /^# (.+)$/m.exec(markdown)?.[1] ?? 'horoball';
const anchor = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

/** Links between pages are kept; a link to anything without a page (a folder of sources) becomes text. */
function render(page: Page): string {
  const from = dirname(target(page.source));
  const marked = new Marked({
    renderer: {
      heading({ depth, text, tokens }) {
        return `<h${depth} id="${anchor(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        if (/^(https:|#)/.test(href)) return `<a href="${href}">${text}</a>`;
        const [path = '', part] = href.split('#');
        const target = targets.get(posix.join(dirname(page.source), path));
        if (target === undefined) return text;
        return `<a href="${posix.relative(from, target)}${part === undefined ? '' : `#${part}`}">${text}</a>`;
      },
      image({ href, text }) {
        const data = readFileSync(join(root, dirname(page.source), href)).toString('base64');
        return `<img src="data:image/png;base64,${data}" alt="${text}">`;
      },
    },
  });
  return marked.parse(page.markdown, { async: false });
}

function navigation(page: Page): string {
  const from = dirname(target(page.source));
  return Object.entries(sections)
    .map(([name, list]) => {
      const items = list.map((each) => {
        const here = each === page ? ' aria-current="page"' : '';
        return `<li><a href="${posix.relative(from, target(each.source))}"${here}>${titleOf(each)}</a></li>`;
      });
      return `${name && `<h2>${name}</h2>`}<ul>${items.join('')}</ul>`;
    })
    .join('');
}

const style = `:root{color-scheme:light dark;--line:#8884}body{margin:0;font:16px/1.55 system-ui,sans-serif;display:grid;
grid-template-columns:15rem minmax(0,60rem);gap:2.5rem}nav{padding:1.5rem 1rem;border-right:1px solid var(--line);font-size:.9rem;
min-height:100vh;box-sizing:border-box}nav h2{font-size:.8rem;margin:1.2rem 0 .2rem;opacity:.7}nav ul{list-style:none;margin:0;padding:0}
nav a{text-decoration:none;display:block;padding:.1rem 0}nav a[aria-current]{font-weight:600}main{padding:1.5rem 1rem 4rem}main>:is(p,ul,ol,table,img,h1,h2,h3){max-width:46rem}
pre{overflow-x:auto;padding:.8rem 1rem;border:1px solid var(--line);border-radius:6px;font-size:.85rem;line-height:1.45}
code{font-family:ui-monospace,monospace;font-size:.9em}table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}img{max-width:100%}
@media(max-width:50rem){body{display:block}nav{border:0;border-bottom:1px solid var(--line);min-height:0;columns:2}
thead{display:none}tbody,tr,td{display:block}tr{border:1px solid var(--line);margin-bottom:.5rem}td{border:0}}`;

rmSync(out, { recursive: true, force: true });
for (const page of pages) {
  const file = join(out, target(page.source));
  mkdirSync(dirname(file), { recursive: true });
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${titleOf(page)}</title>`;
  const body = `<nav>${navigation(page)}</nav><main>${render(page)}</main>`;
  writeFileSync(
    file,
    `<!doctype html><html lang="en"><head>${head}<style>${style}</style></head><body>${body}</body></html>\n`,
  );
}
process.stderr.write(`${pages.length} pages: ${join(out, 'index.html')}\n`);
