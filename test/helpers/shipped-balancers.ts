import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port";
import { startProcess, type RunningProcess } from "./processes";

/** A balancer that a configuration of deploy/ is for. */
export type BalancerKind = "nginx" | "haproxy" | "caddy";

export interface ShippedOptions {
  /** Three ports on the loopback address: what the nodes of the configuration are. */
  readonly upstreams: readonly number[];
  /** Changes the configuration, for tests of what it would be without something. */
  readonly edit?: (text: string) => string;
  /** A request that is answered below 500 when it serves. Default: an invalid one of the engine. */
  readonly probe?: string;
}

export interface ShippedBalancer {
  readonly url: string;
  readonly port: number;
  logs(): string;
  stop(): Promise<void>;
}

interface Kind {
  readonly file: string;
  readonly command: string;
  readonly args: (file: string, folder: string) => readonly string[];
  /** Puts in where it listens, and what a process of a test needs that runs beside others. */
  readonly settle: (text: string, port: number, folder: string) => string;
}

const TEMPS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

const KINDS: Readonly<Record<BalancerKind, Kind>> = {
  nginx: {
    file: "nginx.conf",
    command: "nginx",
    args: (file, folder) => ["-p", folder, "-c", file, "-e", join(folder, "error.log"), "-g", nginxGlobals(folder)],
    settle: (text, port, folder) =>
      replaced(
        replaced(text, "listen 80;", `listen 127.0.0.1:${port};`),
        "http {\n",
        `http {\n${nginxPaths(folder)}\n`,
      ),
  },
  haproxy: {
    file: "haproxy.cfg",
    command: "haproxy",
    args: (file) => ["-db", "-f", file],
    // The nodes of tests have health and everything else on one port.
    settle: (text, port) => replaced(replaced(text, "bind :80\n", `bind 127.0.0.1:${port}\n`), " port 9464", ""),
  },
  caddy: {
    file: "Caddyfile",
    command: "caddy",
    args: (file) => ["run", "--adapter", "caddyfile", "--config", file],
    settle: (text, port) =>
      `{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n` +
      replaced(replaced(text, ":80 {", `:${port} {`), "\t\t\thealth_port 9464\n", ""),
  },
};

/** Runs a balancer with the configuration that is shipped for it; only addresses and ports are other ones. */
export async function startShipped(kind: BalancerKind, options: ShippedOptions): Promise<ShippedBalancer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(KINDS[kind], options, await freePort());
    } catch (error) {
      // Somebody else can take a free port before it does.
      if (attempt === 3 || !/address already in use|cannot bind/i.test(String(error))) throw error;
    }
  }
}

/** The text of a shipped configuration. */
export function shippedText(kind: BalancerKind): string {
  return readFileSync(join(__dirname, "../../deploy", KINDS[kind].file), "utf8");
}

/** Fails where there is nothing to replace: the test would be of something else than it says. */
export function replaced(text: string, what: string | RegExp, by: string): string {
  const changed = typeof what === "string" ? text.replaceAll(what, by) : text.replace(what, by);
  if (changed === text) throw new Error(`the configuration has no ${String(what)}:\n${text}`);
  return changed;
}

async function launch(kind: Kind, options: ShippedOptions, port: number): Promise<ShippedBalancer> {
  const { upstreams, edit = (text: string) => text, probe = "/engine.io/?EIO=4&transport=none" } = options;
  const folder = mkdtempSync(join(tmpdir(), `${kind.command}-test-`));
  const file = join(folder, kind.file);
  let text = edit(readFileSync(join(__dirname, "../../deploy", kind.file), "utf8"));
  for (const [i, upstream] of upstreams.entries()) {
    text = replaced(text, `worker${i + 1}:3000`, `127.0.0.1:${upstream}`);
  }
  writeFileSync(file, kind.settle(text, port, folder));
  const process = startProcess(kind.command, kind.args(file, folder), {
    name: kind.command,
    // Where Caddy keeps what it does not need here.
    env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  const stop = async (): Promise<void> => {
    // nginx' worker outlives a master that is killed; Caddy waits for its clients where it is asked to end.
    await (kind.command === "nginx" ? process.stop() : process.kill());
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await serves(process, `${url}${probe}`);
  } catch (error) {
    await stop();
    throw new Error(`${kind.command} did not start: ${String(error)}\n${process.logs()}`, { cause: error });
  }
  return { url, port, logs: () => process.logs(), stop };
}

async function serves(process: RunningProcess, url: string): Promise<void> {
  await process.until("it to serve", async () => {
    const response = await fetch(url, { headers: { connection: "close" } });
    await response.text();
    return response.status < 500 ? true : undefined;
  });
}

/** The folder belongs to whoever runs the test, root too, and nginx' worker must be able to write there. */
function nginxGlobals(folder: string): string {
  const user = process.getuid?.() === 0 ? "user root; " : "";
  return `${user}daemon off; pid ${folder}/nginx.pid;`;
}

function nginxPaths(folder: string): string {
  return ["access_log off;", ...TEMPS.map((name) => `${name}_temp_path ${folder}/${name};`)].join("\n");
}
