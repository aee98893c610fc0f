import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The programs that tests start: their names, and the package that has them on Debian. */
const TOOLS = [
  { name: "redis-server", aliases: [], debian: "redis-server" },
  { name: "nats-server", aliases: [], debian: "nats-server" },
  { name: "nginx", aliases: [], debian: "nginx-light" },
  { name: "haproxy", aliases: [], debian: "haproxy" },
  { name: "caddy", aliases: [], debian: "caddy" },
  { name: "chromium", aliases: ["chromium-browser", "google-chrome"], debian: "chromium" },
];

/** The clients of Python. Tests of them are left out where they are not. */
const PYTHON = {
  imports: "import engineio, socketio, requests, websocket, aiohttp",
  debian: ["python3-socketio", "python3-requests", "python3-websocket", "python3-aiohttp"],
};

/** Debian keeps servers in sbin, which a plain user's PATH does not name. */
export const TOOL_PATH = [process.env["PATH"] ?? "", "/usr/local/sbin", "/usr/sbin"].join(delimiter);

/** Finds the programs that tests start or installs them; where neither can be, says what to do and throws. */
export function ensureTools() {
  let missing = TOOLS.filter((tool) => !isThere(tool));
  const wanted = [...missing.map((tool) => tool.debian), ...(hasPythonClients() ? [] : PYTHON.debian)];
  if (wanted.length === 0) return;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    try {
      install(wanted);
    } catch {
      // apt-get has said why. What to do follows.
    }
    missing = TOOLS.filter((tool) => !isThere(tool));
  }
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.name).join(", ");
  const packages = missing.map((tool) => tool.debian).join(" ");
  throw new Error(
    `the tests start these programs, and they are not on the PATH: ${names}\n` +
      `  on Debian or Ubuntu: sudo apt-get update && sudo apt-get install ${packages}\n` +
      "  elsewhere: install Redis 7, NATS 2.9, nginx 1.22, haproxy 2.6, Caddy 2.6, Chromium, or later ones, and put them on the PATH",
  );
}

function hasPythonClients() {
  return ["python3", "/usr/bin/python3"].some((python) => spawnSync(python, ["-c", PYTHON.imports]).status === 0);
}

function isThere({ name, aliases }) {
  return [name, ...aliases].some((file) =>
    TOOL_PATH.split(delimiter).some((folder) => isExecutable(join(folder, file))),
  );
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function install(packages) {
  console.log(`installing ${packages.join(", ")} (apt-get)`);
  const policy = "/usr/sbin/policy-rc.d";
  // Debian starts a server when it installs it. Tests start their own on free ports: nothing else should run.
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt("update", "--quiet=2");
    apt("install", "--quiet=2", "--yes", "--no-install-recommends", ...packages);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

function apt(...args) {
  execFileSync("apt-get", args, {
    // What it says goes to the error output, all but its word on an error is of no interest here.
    stdio: ["ignore", 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
