/** What the system says of a file in its error's code, in words that go on from the file's name. */
interface Trouble {
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;
}

const place = 'name another place';
const denied: Trouble = { reason: 'this user may not open or change it', advice: `allow it or ${place}` };
const full: Trouble = { reason: 'the disk is full', advice: `make room or ${place}` };
const many: Trouble = { reason: 'too many files are open', advice: 'close some, or raise `ulimit -n`' };

const troubles: Readonly<Record<string, Trouble>> = {
  ENOENT: { reason: 'there is no such file or folder', advice: 'check the path' },
  EACCES: denied,
  EPERM: denied,
  EROFS: { reason: 'its disk can only be read', advice: place },
  ENOSPC: full,
  EDQUOT: full,
  EISDIR: { reason: 'it is a folder, not a file', advice: 'name a file' },
  ENOTDIR: { reason: 'a part of this path is a file, not a folder', advice: 'check the path' },
  EEXIST: { reason: 'something of this name is there already', advice: place },
  ENAMETOOLONG: { reason: 'a name in it is too long', advice: 'shorten it' },
  ELOOP: { reason: 'its links lead in a circle', advice: 'check the path' },
  EMFILE: many,
  ENFILE: many,
};
/** Of making a folder. */
const folderTroubles: Readonly<Record<string, Trouble>> = {
  ENOENT: { reason: 'no folder can be made there', advice: place },
  EEXIST: { reason: 'it is a file where a folder should be', advice: place },
};

/** What is wrong with the file that an error of the system is about; undefined for other errors. */
export function troubleOf(error: unknown): Trouble | undefined {
  const { code = '', syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const known = syscall === 'mkdir' ? { ...troubles, ...folderTroubles } : troubles;
  return syscall !== undefined && Object.hasOwn(known, code) ? known[code] : undefined;
}

/** The same in a few words, or the error's own message. */
export function reasonOf(error: unknown): string {
  return troubleOf(error)?.reason ?? (error instanceof Error ? error.message : String(error));
}

/**
 * Makes an error of the system name the file that the caller knows: reading and writing an open file name none, and
 * others name a temporary one.
 */
export function atFile(error: unknown, path: string): unknown {
  const failed = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || failed.syscall === undefined || failed.path === path) return error;
  if (failed.path === undefined) failed.message += ` '${path}'`;
  else failed.message = failed.message.replaceAll(failed.path, path);
  failed.path = path;
  return failed;
}

/** Waits for work on a file, and names that file in what the work throws. */
export async function naming<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw atFile(error, path);
  }
}
