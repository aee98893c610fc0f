// `npm run simulate`: the simulation as one script. Where tsx compiles it, a third of the time goes into giving functions
// their names.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = mkdtempSync(join(tmpdir(), "eio-simulate-"));
const script = join(folder, "simulate.cjs");
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

await build({
  entryPoints: [fileURLToPath(new URL("../test/simulation/simulate.ts", import.meta.url))],
  outfile: script,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // As globals these two are getters, which took a twentieth of the time.
  banner: { js: 'const { Buffer } = require("node:buffer"); const process = require("node:process");' },
  sourcemap: "inline",
  logLevel: "error",
});
process.setSourceMapsEnabled(true);
await import(pathToFileURL(script).href);
