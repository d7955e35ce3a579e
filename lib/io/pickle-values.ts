import { type Coded, coded } from '../errors.ts';

/** A key of a dictionary in a pickle; bytes, tuples and other containers become a {@link PickleOpaque}. */
export type PickleKey = null | boolean | number | bigint | string | PickleObject;

/**
 * A value of a pickle: scalars, lists and tuples (arrays), dictionaries (maps), bytes, and the
 * objects that the caller's {@link PickleGlobals} create.
 */
export type PickleValue = PickleKey | Uint8Array | PickleValue[] | PickleDict;

/** Python's dict, OrderedDict and Counter. A Map, so that the key `__proto__` is not special. */
export class PickleDict extends Map<PickleKey, PickleValue> {}

/** Base class of every value that is not a scalar, bytes or a container. */
export abstract class PickleObject {}

/** An object that consists of attributes, which are stored as entries. */
export class PickleNamespace extends PickleDict {}

/** Counts work that depends on the size of a value as steps of the pickle; throws if the pickle has too many steps. */
export type Charge = (work: number) => void;

/** A class or function that a pickle may name. `call` is horoball's own function, never one from the file. */
export class PickleGlobal extends PickleObject {
  readonly name: string;
  readonly call: (args: PickleValue[], charge: Charge) => PickleValue;

  constructor(name: string, call: (args: PickleValue[], charge: Charge) => PickleValue) {
    super();
    this.name = name;
    this.call = call;
  }
}

/** A value that is not reconstructed, such as an unknown name, the result of calling one, or a set. */
export class PickleOpaque extends PickleObject {
  /** The name in the pickle, or a short description; used in messages. */
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

export interface PickleGlobals {
  /**
   * The names (`module.name`) that are reconstructed; all others become a {@link PickleOpaque} or are
   * refused.
   */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Resolves persistent ids, which refer to data outside the pickle. */
  persistent(id: PickleValue): PickleValue;
}

/** Creates the error for bytes that are not a valid pickle: `ERR_HOROBALL_FORMAT`. */
export function malformed(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `the pickle is damaged: ${what}`);
}

/** Creates the error for a pickle that requests more than data: `ERR_HOROBALL_PICKLE_REFUSED`. */
export function refused(what: string): Coded {
  return coded(
    'ERR_HOROBALL_PICKLE_REFUSED',
    `${what} is not allowed: only tensors and plain containers are reconstructed, and nothing in the file is executed. In PyTorch, save model.state_dict() instead of a module.`,
  );
}

/**
 * Creates the error for a pickle that exceeds a limit or uses an unsupported part of the format:
 * `ERR_HOROBALL_PICKLE_REFUSED`.
 *
 * @param what - a sentence such as "pickle protocol 6 is not supported", without a period
 */
export function unsupported(what: string): Coded {
  return coded('ERR_HOROBALL_PICKLE_REFUSED', `${what}. In PyTorch, save only model.state_dict().`);
}

/** Builtins that only create data. */
const dataBuiltins = new Set(
  (
    'bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple ' +
    'unicode xrange Ellipsis NotImplemented'
  ).split(' '),
);
/** Modules through which a pickle can run code, commands or downloads. No checkpoint needs them. */
const executingModules = new Set(
  (
    '_aix_support _osx_support _posixsubprocess _pyrepl _winapi aiohttp ast asyncio atexit bdb cProfile cloudpickle ' +
    'code codeop commands concurrent ctypes _ctypes dill distutils doctest ensurepip ftplib functools gc http httplib idlelib ' +
    'imaplib imp importlib inspect io _io joblib lib2to3 linecache marshal mmap multiprocessing nntplib nt ntpath ' +
    'operator _operator os pdb pickle _pickle pip pkgutil platform popen2 poplib posix posixpath profile pty pydoc requests ' +
    'requests_toolbelt resource runpy setuptools shelve shutil signal site smtplib socket socketserver sqlite3 ' +
    'ssl subprocess sys sysconfig telnetlib tempfile threading _thread timeit trace unittest urllib ' +
    'urllib2 urllib3 venv webbrowser xmlrpc zipimport'
  ).split(' '),
);
/** Names in other modules through which a pickle can do the same. */
const executingNames = new RegExp(
  `^(${[
    'torch\\.(hub|jit|package|compile|load|_inductor|fx|storage\\._load_from_bytes|serialization\\.load|_tensor\\.load)',
    'torch\\._dynamo\\.(?!decorators)\\w+',
    'torch\\.distributed\\.(rpc|run|launch|launcher|elastic)',
    'torch\\.utils\\.(cpp_extension|_config_module|model_zoo|collect_env|bottleneck)',
    'numpy\\.(load|loads|memmap|fromfile|f2py|testing|distutils|ctypeslib|lib\\.(npyio|utils)|ma\\.core\\.loads?)',
    'pandas\\.(read_\\w+|eval|io)',
    'collections\\.namedtuple',
    'types\\.(?!SimpleNamespace$)\\w+',
    'uuid\\.(?!UUID$)\\w+',
  ].join('|')})(\\.|$)`,
);

/** Whether a name could execute something in Python. Weight files do not need such names. */
export function executes(module: string, name: string): boolean {
  const [root = ''] = module.split('.', 1);
  if (root === 'builtins' || root === '__builtin__') return !dataBuiltins.has(name);
  return executingModules.has(root) || executingNames.test(`${module}.${name}`);
}
