// How many bytes travel before something is seen? Fails above the budget of a route. Reads what `npm run build` made.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const builtTo = new URL("../services/gateway/static/", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(builtTo, ".vite/manifest.json"), "utf8"));

const hls = Object.keys(manifest).find((entry) => entry.includes("/hls.js/"));

/** Budgets in KB, gzip: what the start loads, and what playing loads that is not there yet. */
const budgets = [
  { name: "start", entries: ["index.html"], limitKb: 40 },
  { name: "player", entries: ["src/player/bar.tsx", hls], loadedBefore: ["index.html"], limitKb: 150 },
];

/** All files that an entry loads at once: its own, its styles, and those of its static imports. */
function files(entry, found = new Set()) {
  const chunk = manifest[entry];
  if (!chunk) throw new Error(`nothing was built of ${entry}`);
  if (found.has(chunk.file)) return found;
  for (const file of [chunk.file, ...(chunk.css ?? [])]) found.add(file);
  for (const imported of chunk.imports ?? []) files(imported, found);
  return found;
}

let isTooLarge = false;
for (const { name, entries, loadedBefore = [], limitKb } of budgets) {
  const loaded = new Set(entries.flatMap((entry) => [...files(entry)]));
  for (const file of loadedBefore.flatMap((entry) => [...files(entry)])) loaded.delete(file);
  const bytes = [...loaded].reduce((sum, file) => sum + gzipSync(readFileSync(join(builtTo, file))).length, 0);
  const isOver = bytes > limitKb * 1024;
  isTooLarge ||= isOver;
  process.stdout.write(`${isOver ? "TOO LARGE" : "ok"}  ${name}: ${(bytes / 1024).toFixed(1)} of ${limitKb} KB gzip\n`);
}
process.exitCode = isTooLarge ? 1 : 0;
