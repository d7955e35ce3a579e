/** Reason and advice for a system error about a file, phrased to follow the file's name. */
interface Explanation {
  readonly reason: string;
  /** One imperative sentence with the fix. */
  readonly advice: string;
}

const place = 'Choose another location.';
const denied: Explanation = {
  reason: 'permission denied',
  advice: `Change the permissions, or choose another location.`,
};
const full: Explanation = {
  reason: 'the disk is full',
  advice: 'Free some space, or choose another location.',
};
const many: Explanation = {
  reason: 'too many files are open',
  advice: 'Close some files, or raise `ulimit -n`.',
};

const explanations: Readonly<Record<string, Explanation>> = {
  ENOENT: { reason: 'no such file or folder', advice: 'Check the path.' },
  EACCES: denied,
  EPERM: denied,
  EROFS: { reason: 'the file system is read-only', advice: place },
  ENOSPC: full,
  EDQUOT: full,
  EISDIR: { reason: 'it is a folder, not a file', advice: 'Specify a file.' },
  ENOTDIR: { reason: 'a part of this path is a file, not a folder', advice: 'Check the path.' },
  EEXIST: { reason: 'a file or folder of this name already exists', advice: place },
  ENAMETOOLONG: { reason: 'a name in the path is too long', advice: 'Shorten it.' },
  ELOOP: { reason: 'its symbolic links form a loop', advice: 'Check the path.' },
  EMFILE: many,
  ENFILE: many,
};
/** Reasons and advice for errors while a folder is created, by error code. */
const folderExplanations: Readonly<Record<string, Explanation>> = {
  ENOENT: { reason: 'no folder can be created there', advice: place },
  EEXIST: { reason: 'it is a file, not a folder', advice: place },
};

/** Returns the reason for a system error about a file, with advice; undefined for other errors. */
export function explanationOf(error: unknown): Explanation | undefined {
  const { code = '', syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const known = syscall === 'mkdir' ? { ...explanations, ...folderExplanations } : explanations;
  return syscall !== undefined && Object.hasOwn(known, code) ? known[code] : undefined;
}

/** Returns the reason in a few words, or the error's own message. */
export function reasonOf(error: unknown): string {
  return explanationOf(error)?.reason ?? (error instanceof Error ? error.message : String(error));
}

/**
 * Makes a system error name the caller's file: errors of an open file do not name a file, and other errors may name a
 * temporary file.
 */
export function atFile(error: unknown, path: string): unknown {
  const failed = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || failed.syscall === undefined || failed.path === path) return error;
  if (failed.path === undefined) failed.message += ` '${path}'`;
  else failed.message = failed.message.replaceAll(failed.path, path);
  failed.path = path;
  return failed;
}

/** Awaits work on a file, and adds the file name to its errors. */
export async function naming<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw atFile(error, path);
  }
}

/**
 * Like {@link naming}, for the lock file of a folder that does not exist yet: if the file cannot be created, the error is
 * reported as a failure to create the folder.
 */
export async function namingFolder<T>(path: string, work: Promise<T>): Promise<T> {
  return await naming(path, work).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === 'open') error.syscall = 'mkdir';
    throw error;
  });
}
