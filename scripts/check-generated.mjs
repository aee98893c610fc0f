import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

// Each generator compares what it would write with what is there.
const generators = ["build-lua", "build-dashboard", "build-config-docs", "build-metrics-docs"];
for (const generator of generators
  .map((name) => `scripts/${name}.mjs`)
  .filter((file) => existsSync(join(root, file)))) {
  try {
    execFileSync(process.execPath, [generator, "--check"], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  } catch {
    console.error(`what ${generator} generates is not what is committed: run it and commit the result`);
    process.exit(1);
  }
}
