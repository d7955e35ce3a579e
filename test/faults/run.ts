// node dist/test/faults/run.js [faults] [command...]: tries this many faults of each operation and error (default 3) on
// every command, and prints what was wrong. Exits with code 1 if anything was.
import { commands } from './commands.ts';
import { Shim } from './shim.ts';
import { faultsOf, prepare, tryFault } from './try.ts';

const [most = '3', ...names] = process.argv.slice(2);
await using shim = await Shim.compile();
if (shim === null) throw new Error('faults need Linux and a C compiler');
for (const command of commands.filter(({ name }) => names.length === 0 || names.includes(name))) {
  await using prepared = await prepare(shim, command);
  const faults = faultsOf(prepared, Number(most));
  let ends = 0;
  let wrong = 0;
  for (const [i, fault] of faults.entries()) {
    const { problem, ended } = await tryFault(shim, prepared, fault);
    if (ended) ends++;
    if (problem !== null) {
      wrong++;
      process.stdout.write(`${command.name} ${JSON.stringify(fault)}: ${problem}\n`);
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${command.name} ${i + 1}/${faults.length}`);
  }
  const survived = faults.length - ends;
  process.stdout.write(
    `${command.name}: ${faults.length} faults, ${ends} coded errors, ${survived} survived, ${wrong} wrong\n`,
  );
  if (wrong > 0) process.exitCode = 1;
}
