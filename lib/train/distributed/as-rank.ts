import { describe } from '../../errors.ts';
import { ProcessGroup, type RankGroup, singleProcess } from '../lane/group.ts';
import { placeOf } from './environment.ts';

/**
 * Runs `work` as a rank of a group. If it fails, the other ranks are notified.
 * @param given - the caller's group, which stays open; null for a single process; default: the group that the
 * environment describes, if any
 */
export async function asRank<T>(
  given: RankGroup | null | undefined,
  work: (group: RankGroup) => Promise<T>,
): Promise<T> {
  const isCallers = given !== undefined;
  const group = isCallers ? (given ?? singleProcess) : await joinGroup();
  try {
    const result = await work(group);
    if (!isCallers) await group.close();
    return result;
  } catch (error) {
    const { code, message } = Object(error) as { code?: unknown; message?: unknown };
    if (code !== 'ERR_HOROBALL_RANK') group.fail(typeof message === 'string' ? message : describe(error));
    if (!isCallers) await group.close().catch(() => {}); // `error` is thrown instead
    throw error;
  }
}

async function joinGroup(): Promise<RankGroup> {
  const place = placeOf(process.env);
  return place === null ? singleProcess : await ProcessGroup.join(place);
}
