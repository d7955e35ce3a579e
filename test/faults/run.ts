// node dist/test/faults/run.js [faults] [command...]: injects this many faults of each kind (default 3) into these commands
// (default all): failing system calls and other disturbances. Prints wrong outcomes, and exits with code 1 if there are any.
import { random } from '../../lib/random.ts';
import { commands } from './commands.ts';
import { disturbances } from './disturbances.ts';
import { Shim } from './shim.ts';
import { faultsOf, prepare, tryDisturbance, tryFault } from './try.ts';

const [most = '3', ...names] = process.argv.slice(2);
const next = random(Date.now() % 2 ** 31);
await using shim = await Shim.compile();
if (shim === null) throw new Error('faults need Linux and a C compiler');
for (const command of commands.filter(({ name }) => names.length === 0 || names.includes(name))) {
  await using prepared = await prepare(shim, command);
  const faults = faultsOf(prepared, Number(most)).map((fault) => ({
    name: JSON.stringify(fault),
    attempt: () => tryFault(shim, prepared, fault),
  }));
  const others = Object.entries(disturbances).flatMap(([name, disturbance]) =>
    Array.from({ length: Number(most) }, () => ({
      name,
      attempt: () => tryDisturbance(shim, prepared, disturbance, next),
    })),
  );
  const all = [...faults, ...others];
  let ends = 0;
  let wrong = 0;
  for (const [i, { name, attempt }] of all.entries()) {
    const { problem, ended } = await attempt();
    if (ended) ends++;
    if (problem !== null) {
      wrong++;
      process.stdout.write(`${command.name}: ${name}: ${problem}\n`);
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${command.name} ${i + 1}/${all.length}`);
  }
  const survived = all.length - ends;
  process.stdout.write(
    `${command.name}: ${all.length} faults, ${ends} coded errors, ${survived} survived, ${wrong} wrong\n`,
  );
  if (wrong > 0) process.exitCode = 1;
}
