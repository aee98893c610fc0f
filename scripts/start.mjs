// `npm start`: from a fresh clone to a running server. Installs and builds what is missing or older than its source.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ensureInstalled } from "./lib/install.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const command = join(root, "dist/cluster/cli.js");
const SOURCES = ["src", "cluster", "scripts/build.mjs", "scripts/copy-assets.mjs", "package.json", "tsconfig.json"];

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error(`Node 20 or later is needed; this is ${process.version}.`);
  process.exit(1);
}

try {
  // With NODE_ENV=production npm would leave out the compiler.
  process.env.npm_config_include = "dev";
  ensureInstalled(root);
  if (changedAt(command) < Math.max(...SOURCES.map((path) => newestIn(join(root, path))))) {
    console.log("building (npm run build)");
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  }
} catch (error) {
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
}

// In this process, not in another one: signals reach the server once and directly.
process.argv = [process.execPath, command, "serve", ...process.argv.slice(2)];
await import(pathToFileURL(command).href);

/** When a file last changed; 0 if there is none. */
function changedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function newestIn(path) {
  if (!existsSync(path) || !statSync(path).isDirectory()) return changedAt(path);
  return Math.max(0, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}
