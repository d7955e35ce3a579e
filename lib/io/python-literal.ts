/** A parsed Python literal, such as the header of a `.npy` file. */
export type PythonLiteral = null | boolean | number | string | PythonLiteral[] | Map<string, PythonLiteral>;

const maxDepth = 16;
const tokenPattern =
  /\s*(?:([[\](){}:,])|([uUbB]?)'((?:[^'\\\n]|\\.)*)'|([uUbB]?)"((?:[^"\\\n]|\\.)*)"|([+-]?\d+)[lL]?(?![\w.])|(True|False|None)(?!\w))/y;

/**
 * Parses a Python literal as `ast.literal_eval` does, for the types that NumPy's headers use: dictionaries
 * with string keys, tuples, lists, strings, integers (Python 2's `2L` too), True, False and None. Nothing is
 * evaluated.
 *
 * @throws Error without a code; its message describes the problem
 */
export function parsePythonLiteral(text: string): PythonLiteral {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

interface Token {
  /** A bracket, comma or colon. */
  readonly mark?: string;
  readonly value?: PythonLiteral;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #ahead: Token | null = null;

  constructor(text: string) {
    this.#text = text.trimEnd();
  }

  value(depth: number): PythonLiteral {
    if (depth > maxDepth) throw new Error(`it is nested more than ${maxDepth} levels deep`);
    const { mark, value } = this.#next();
    if (mark === undefined) return value as PythonLiteral;
    if (mark === '{') return this.#dictionary(depth);
    if (mark === '[') return this.#list(']', depth).items;
    if (mark !== '(') throw new Error(`'${mark}' is not a value`);
    const { items, commas } = this.#list(')', depth);
    return items.length === 1 && commas === 0 ? (items[0] as PythonLiteral) : items; // (3) is 3
  }

  end(): void {
    if (this.#at < this.#text.length) throw new Error('there is text after the end');
  }

  #list(close: string, depth: number): { items: PythonLiteral[]; commas: number } {
    const items: PythonLiteral[] = [];
    let commas = 0;
    while (!this.#skip(close)) {
      items.push(this.value(depth + 1));
      if (this.#skip(',')) commas++;
      else if (this.#peek().mark !== close) throw new Error(`'${close}' is missing`);
    }
    return { items, commas };
  }

  #dictionary(depth: number): PythonLiteral {
    const entries = new Map<string, PythonLiteral>();
    while (!this.#skip('}')) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string' || !this.#skip(':')) throw new Error('a key is not text');
      entries.set(key, this.value(depth + 1));
      if (!this.#skip(',') && this.#peek().mark !== '}') throw new Error("'}' is missing");
    }
    return entries;
  }

  #skip(mark: string): boolean {
    if (this.#peek().mark !== mark) return false;
    this.#next();
    return true;
  }

  #peek(): Token {
    this.#ahead ??= this.#token();
    return this.#ahead;
  }

  #next(): Token {
    const token = this.#peek();
    this.#ahead = null;
    return token;
  }

  #token(): Token {
    tokenPattern.lastIndex = this.#at;
    const found = tokenPattern.exec(this.#text);
    if (found === null) throw new Error(`'${this.#text.slice(this.#at, this.#at + 20)}' is not a literal`);
    this.#at = tokenPattern.lastIndex;
    const [, mark, , single, , double, digits, word] = found;
    if (mark !== undefined) return { mark };
    const quoted = single ?? double;
    if (quoted !== undefined) return { value: quoted.replace(/\\(.)/g, '$1') };
    if (digits !== undefined) return { value: Number(digits) };
    return { value: word === 'None' ? null : word === 'True' };
  }
}
