import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (path) => join(root, path);

function node(...args) {
  execFileSync(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

try {
  if (existsSync(at("scripts/build-lua.mjs"))) node("scripts/build-lua.mjs");

  // Into a folder beside dist/, which then takes its place: no stale file stays, and a build that fails takes nothing
  // away. Beside it and not elsewhere, because source maps name their sources relative to where they are.
  rmSync(at("dist.next"), { recursive: true, force: true });
  node("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", "dist.next");
  rmSync(at("dist"), { recursive: true, force: true });
  renameSync(at("dist.next"), at("dist"));

  if (existsSync(at("scripts/copy-assets.mjs"))) node("scripts/copy-assets.mjs");
  const cli = at("dist/cluster/cli.js");
  if (existsSync(cli)) chmodSync(cli, 0o755);
} catch (error) {
  // The compiler has said what is wrong; a stack of this script adds nothing to it.
  rmSync(at("dist.next"), { recursive: true, force: true });
  console.error(`the build failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
