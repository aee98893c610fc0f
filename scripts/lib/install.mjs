import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Runs `npm ci` where node_modules is missing or is not what package-lock.json says; NODE_ENV does not matter. */
export function ensureInstalled(root) {
  if (isInstalled(root)) return;
  console.log("installing the packages of package-lock.json (npm ci)");
  execFileSync("npm", ["ci", "--include=dev"], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

/** Compares the lock file with the copy that npm leaves of what it has installed: no start of npm for the usual case. */
function isInstalled(root) {
  const installed = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const found = JSON.parse(readFileSync(installed, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === "" || optional === true || found[path]?.version === version,
  );
}
