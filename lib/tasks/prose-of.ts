/** A string literal is prose if it has two consecutive words, the second in lowercase. */
const sentence = /[A-Za-z]{2,}[,;:]? +[a-z]{2,}/;
const regexAfter = /(?:[(,=:[!&|?{};\n]|=>|\breturn|^)\s*$/;

/**
 * Returns the comments and the sentences in string literals of a TypeScript or C++ source. Everything else becomes
 * spaces, so that lines and columns do not change. Text between backquotes in comments is code, so it becomes spaces,
 * too.
 */
export function proseOf(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ');
  let out = '';
  let at = 0;
  const take = (end: number, keep: boolean): void => {
    const text = source.slice(at, end);
    out += keep
      ? text.replace(/`[^`\n]*`/g, blank).replace(/\*\/|^\s*(?:\/\*\*?|\*|\/\/)/gm, blank)
      : blank(text);
    at = end;
  };
  while (at < source.length) {
    const rest = source.slice(at, at + 2);
    if (rest === '//') take(endOf(source, '\n', at), true);
    else if (rest === '/*') take(endOf(source, '*/', at) + 2, true);
    else if (rest[0] === '/' && regexAfter.test(source.slice(Math.max(0, at - 80), at)))
      take(regexEnd(source, at), false);
    else if (rest[0] === "'" || rest[0] === '"') {
      const end = quoteEnd(source, at, rest[0]);
      take(end, sentence.test(source.slice(at, end)));
    } else if (rest[0] === '`') {
      const end = quoteEnd(source, at, '`');
      const text = source.slice(at, end);
      // Code between ${ and } and HTML tags are not prose.
      const words = text.replace(/\$\{[^}]*\}/g, blank).replace(/<\/?[a-z][^<>\n]*>/g, blank);
      out += sentence.test(words) ? words.replaceAll('`', ' ') : blank(text);
      at = end;
    } else take(at + 1, false);
  }
  return out;
}

function endOf(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from + 2);
  return end < 0 ? source.length : end;
}

function quoteEnd(source: string, from: number, quote: string): number {
  let depth = 0;
  for (let at = from + 1; at < source.length; at++) {
    const mark = source[at]!;
    if (mark === '\\') at++;
    else if (quote === '`' && mark === '$' && source[at + 1] === '{') depth++;
    else if (depth > 0 && mark === '}') depth--;
    else if (mark === quote && depth === 0) return at + 1;
    else if (mark === '\n' && quote !== '`') return at; // an apostrophe, not a string
  }
  return source.length;
}

function regexEnd(source: string, from: number): number {
  let inClass = false;
  for (let at = from + 1; at < source.length; at++) {
    const mark = source[at]!;
    if (mark === '\\') at++;
    else if (mark === '[') inClass = true;
    else if (mark === ']') inClass = false;
    else if ((mark === '/' && !inClass) || mark === '\n') return at + 1;
  }
  return source.length;
}
