import os from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { addonCache, cacheFolder } from '../lib/cache-folder.ts';

test.serial('the cache is in XDG_CACHE_HOME, else in the home folder, else in the root folder', (t) => {
  const { XDG_CACHE_HOME: before } = process.env;
  const { homedir } = os;
  t.teardown(() => {
    Object.assign(os, { homedir });
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
  process.env['XDG_CACHE_HOME'] = join('/', 'caches');
  t.is(cacheFolder(), join('/', 'caches', 'horoball'));
  process.env['XDG_CACHE_HOME'] = '';
  t.is(cacheFolder(), join(homedir(), '.cache', 'horoball'));
  // Simulates a user without HOME and without an entry in the user database.
  Object.assign(os, {
    homedir: () => {
      throw new Error('uv_os_homedir returned ENOENT');
    },
  });
  t.is(cacheFolder(), join('/', '.cache', 'horoball'));
  t.true(addonCache('1.0.0').startsWith(cacheFolder()));
});
