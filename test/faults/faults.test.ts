// Injects one fault per file operation and error into three commands; `npm run test:slow` tries more faults, on every
// command.
import test from 'ava';
import { commands } from './commands.ts';
import { Shim } from './shim.ts';
import { faultsOf, prepare, tryFault } from './try.ts';

for (const name of ['train', 'pull', 'unpack']) {
  test.serial(
    `${name}: a failed system call causes success or a coded error, and no data loss`,
    async (t) => {
      t.timeout(300_000);
      await using shim = await Shim.compile();
      if (shim === null) return t.pass('no C compiler, or not Linux');
      await using prepared = await prepare(shim, commands.find((command) => command.name === name)!);
      const faults = faultsOf(prepared, 1);
      t.true(faults.length >= 7, 'system calls are intercepted');
      let ends = 0;
      for (const fault of faults) {
        const { problem, ended } = await tryFault(shim, prepared, fault);
        if (ended) ends++;
        t.is(problem, null, JSON.stringify(fault));
      }
      t.true(ends > 0, 'the faults have an effect');
    },
  );
}
