// Builds the core of this checkout with cmake-js, to build/Release/core.node. The output of the tools is
// shown only if they fail.
import { fileURLToPath } from 'node:url';
import { Meter } from '../cli/meter.ts';
import { buildProgress } from '../setup/build.ts';
import { run } from '../setup/command.ts';

const cmakeJs = fileURLToPath(import.meta.resolve('cmake-js/bin/cmake-js'));
const meter = new Meter();

for (const [command, what] of [
  ['configure', 'configuring the core'],
  ['build', 'building the core'],
] as const) {
  if (process.stderr.isTTY) meter.steps(what, 0, 1);
  const progressOf = buildProgress(1);
  const onLine = (line: string): void => {
    const made = progressOf(line);
    // Ninja reports the check of its build files as step 0, which compiles nothing.
    if (made !== undefined && made[0] > 0) meter.steps(what, ...made);
  };
  const { code, stdout, stderr } = await run(process.execPath, [cmakeJs, command, '-l', 'error'], { onLine });
  meter.end();
  if (code === 0) continue;
  process.stderr.write(`${stdout}${stderr}\n${what} failed.\n`);
  process.exitCode = 1;
  break;
}
