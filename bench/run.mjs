// `npm run bench`: builds what is missing or older than its source, then runs the benchmark.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const at = (path) => join(root, path);

try {
  // With NODE_ENV=production npm would leave out the compiler, and engine.io to compare with.
  process.env.npm_config_include = "dev";
  run("scripts/ensure-installed.mjs");
  const sources = Math.max(...["src", "cluster", "package.json", "tsconfig.json"].map((path) => newestIn(at(path))));
  if (changedAt(at("dist/cluster/cli.js")) < sources) run("scripts/build.mjs");
  if (changedAt(at("dist/bench/main.js")) < Math.max(sources, newestIn(at("bench")))) {
    run("node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json");
  }
} catch (error) {
  console.error(`cannot build the benchmark: ${error.message}`);
  process.exit(1);
}

const child = spawn(process.execPath, ["--enable-source-maps", at("dist/bench/main.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  // Debian keeps servers in sbin, which a plain user's PATH does not name.
  env: { ...process.env, PATH: [process.env["PATH"] ?? "", "/usr/local/sbin", "/usr/sbin"].join(delimiter) },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => process.exit(code ?? 1));

function run(...args) {
  execFileSync(process.execPath, args, { cwd: root, stdio: ["ignore", 2, 2] });
}

/** When a file last changed; 0 if there is none. */
function changedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** When anything in a folder last changed, or the file itself; what a run has left behind does not count. */
function newestIn(path) {
  if (!statSync(path).isDirectory()) return changedAt(path);
  return Math.max(
    0,
    ...readdirSync(path, { withFileTypes: true })
      .filter(({ name }) => name !== "results")
      .map(({ name }) => newestIn(join(path, name))),
  );
}
