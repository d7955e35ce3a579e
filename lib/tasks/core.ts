// The core for this checkout, to build/Release/core.node, by cmake-js. What its tools say is shown only if they fail.
import { fileURLToPath } from 'node:url';
import { progressOf } from '../setup/build.ts';
import { run } from '../setup/command.ts';
import { Meter } from '../train/progress.ts';

const cmakeJs = fileURLToPath(import.meta.resolve('cmake-js/bin/cmake-js'));
const meter = new Meter();

for (const [command, what] of [
  ['configure', 'configuring the core'],
  ['build', 'building the core'],
] as const) {
  if (process.stderr.isTTY) meter.update(0, 100, what);
  const onLine = (line: string): void => {
    const made = progressOf(line);
    // Nothing is compiled where a tool only looks whether its own lists are up to date.
    if (made !== undefined && made[0] > 0) meter.update(...made, what);
  };
  const { code, stdout, stderr } = await run(process.execPath, [cmakeJs, command, '-l', 'error'], { onLine });
  meter.end();
  if (code === 0) continue;
  process.stderr.write(`${stdout}${stderr}\n${what} failed.\n`);
  process.exitCode = 1;
  break;
}
