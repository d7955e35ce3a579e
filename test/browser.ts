import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Launches the browser whose path is in the environment variable CHROMIUM, by default one in PATH; null if none is found. */
export async function openBrowser(): Promise<Browser | null> {
  const executablePath = process.env['CHROMIUM'] ?? found();
  if (executablePath === undefined) return null;
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'];
  return await chromium.launch({
    executablePath,
    args: [...args, '--disable-component-update', '--disable-sync'],
  });
}

function found(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
