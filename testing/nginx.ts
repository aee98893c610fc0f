import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port";
import { startProcess, type RunningProcess } from "./processes";
import { waitFor } from "./wait-for";

export interface NginxOptions {
  /** Ports on the loopback address. Requests go to them in turn. */
  readonly upstreams: readonly number[];
  /** Whether a request goes to the next upstream when one dies under it, a POST too. Default: true. */
  readonly retry?: boolean;
  /** How long an upstream may be silent before its request goes to the next one. Default: 120 s. */
  readonly readTimeoutMs?: number;
}

export interface NginxCounts {
  /** Answers to clients, by HTTP status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Attempts at upstreams, by their port: a request that was sent again counts at each. */
  readonly byUpstream: Readonly<Record<string, number>>;
  /** Requests that needed more than one attempt. */
  readonly retried: number;
  /** The log lines of requests that were answered 4xx or 5xx, for messages. */
  readonly refused: readonly string[];
}

export interface Nginx {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /**
   * What it did so far. A request is logged when it is over, a moment after its client has the answer; after `stop` all
   * of them are there.
   */
  readonly counts: () => Promise<NginxCounts>;
  readonly errorLog: () => string;
  /** A line for each request that is over: status, method, address, when it was over, seconds, and its upstreams. */
  readonly accessLog: () => string;
  /**
   * Puts other options in force for the requests that come from now on; those under way end as they began. As with any
   * reload, nginx closes the connections that clients keep and that nothing is under way on.
   */
  readonly reconfigure: (options: NginxOptions) => Promise<void>;
  /** As a crash of all of it: each connection through it breaks. Its logs stay, and `restart` goes on with them. */
  readonly kill: () => Promise<void>;
  /** The same port and configuration again, after `kill`; resolves when it serves. */
  readonly restart: () => Promise<void>;
  /** Stops it from running, its connections open, until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it, however it is, and waits until it is gone. */
  readonly stop: () => Promise<void>;
}

/** Answers with the number of the configuration in force: how a start and a change are awaited. */
const STATE_PATH = "/__nginx";

/** An nginx of the test's own that sends every request to the next upstream, as a balancer without stickiness does. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(options, await freePort());
    } catch (error) {
      // Somebody else can take a free port before nginx does.
      if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
    }
  }
}

async function launch(options: NginxOptions, port: number): Promise<Nginx> {
  const nginx = new NginxProcess(options, port);
  try {
    await nginx.begins();
  } catch (error) {
    await nginx.kill();
    const log = nginx.errorLog();
    nginx.remove();
    throw new Error(`nginx did not start: ${String(error)}\n${log}`, { cause: error });
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get pid() {
      return nginx.pid;
    },
    counts: () => Promise.resolve(count(nginx.lines())),
    errorLog: () => nginx.errorLog(),
    accessLog: () => nginx.lines().join("\n"),
    reconfigure: (wanted) => nginx.reconfigure(wanted),
    kill: () => nginx.kill(),
    restart: () => nginx.restart(),
    pause: () => nginx.signal("SIGSTOP"),
    resume: () => nginx.signal("SIGCONT"),
    stop: () => nginx.stop(),
  };
}

/** A master that only looks after its workers, and workers: what is to happen to nginx has to happen to both. */
class NginxProcess {
  readonly #port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "nginx-test-"));
  #options: NginxOptions;
  #generation = 1;
  #master: RunningProcess;
  /** What is left of the access log when the folder is gone. */
  #kept: string[] | undefined;

  constructor(options: NginxOptions, port: number) {
    this.#options = options;
    this.#port = port;
    writeFileSync(this.#file("access.log"), "");
    this.#configure();
    this.#master = this.#run();
  }

  get pid(): number {
    return this.#master.pid;
  }

  lines(): string[] {
    return this.#kept ?? readFileSync(this.#file("access.log"), "utf8").split("\n");
  }

  errorLog(): string {
    try {
      return readFileSync(this.#file("error.log"), "utf8");
    } catch {
      return "";
    }
  }

  begins(): Promise<void> {
    return inForce(this.#master, this.#port, this.#generation);
  }

  async reconfigure(options: NginxOptions): Promise<void> {
    this.#options = options;
    this.#generation++;
    this.#configure();
    // The worker of the old configuration closes its idle connections all at once: this one stands for them.
    const witness = await idleConnection(this.#port);
    this.#master.signal("SIGHUP");
    await this.begins();
    await witness.closed;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#master.running) return;
    const workers = childrenOf(this.pid);
    this.#master.signal(signal);
    for (const pid of workers) send(pid, signal);
  }

  async kill(): Promise<void> {
    // Its workers serve on without it, and it would start others in their place.
    this.signal("SIGKILL");
    await this.#master.kill();
    await waitFor("the port of nginx to be free", () => isRefused(this.#port));
  }

  async restart(): Promise<void> {
    if (this.#master.running) throw new Error("nginx runs");
    this.#master = this.#run();
    await this.begins();
  }

  async stop(): Promise<void> {
    if (this.#kept !== undefined) return;
    if (this.#master.running) {
      // Workers that stand still would keep it from ending.
      this.signal("SIGCONT");
      await this.#master.stop();
    }
    this.#kept = this.lines();
    this.remove();
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(): RunningProcess {
    const args = ["-p", this.#folder, "-c", this.#file("nginx.conf"), "-e", this.#file("error.log")];
    return startProcess("nginx", args, { name: "nginx" });
  }

  #configure(): void {
    const text = configuration(this.#options, this.#port, this.#folder, this.#generation);
    writeFileSync(this.#file("nginx.conf"), text);
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}

function childrenOf(parent: number): number[] {
  // `pid ppid` in a line: POSIX, and where there is no ps, as in slim images, there is /proc.
  const file = `/proc/${parent}/task/${parent}/children`;
  const text = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (text !== undefined) return text.split(" ").filter(Boolean).map(Number);
  return execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid = 0, ppid]) => (ppid === parent ? [pid] : []));
}

/** To one that may be gone by now. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ESRCH") throw error;
  }
}

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(false);
    });
    // Also one that was accepted a moment before its worker was gone.
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED"));
  });
}

async function inForce(nginx: RunningProcess, port: number, generation: number): Promise<void> {
  await nginx.until("its configuration to be in force", async () => {
    try {
      // A connection of its own for each question: one that is kept stays with the worker of an older configuration.
      const response = await fetch(`http://127.0.0.1:${port}${STATE_PATH}`, { headers: { connection: "close" } });
      return (await response.text()).trim() === String(generation) ? true : undefined;
    } catch {
      return undefined;
    }
  });
}

async function idleConnection(port: number): Promise<{ closed: Promise<unknown> }> {
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(`GET ${STATE_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  });
  await once(socket, "data");
  // A field, since a promise that is returned by itself would be awaited.
  return { closed: once(socket, "close") };
}

function configuration(options: NginxOptions, port: number, folder: string, generation: number): string {
  const { upstreams, retry = true, readTimeoutMs = 120_000 } = options;
  // By default one failure takes an upstream out for ten seconds, and killing nodes in turn leaves none.
  const servers = upstreams.map((upstream) => `server 127.0.0.1:${upstream} max_fails=0;`);
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
# The folder belongs to whoever runs the test, root too, and the worker must be able to write there.
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
# Each worker goes round by itself: with one the turns are exact.
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
http {
  ${temp.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  log_format attempts '$status $request_method $request_uri $time_iso8601 $request_time [$upstream_addr] [$upstream_status]';
  access_log ${folder}/access.log attempts;
  map $http_upgrade $connection_header { default upgrade; '' ''; }
  upstream nodes {
    ${servers.join("\n    ")}
    keepalive 256;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    # A client that keeps its connections must not meet one that is just being closed.
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_max_body_size 32m;
    location = ${STATE_PATH} { access_log off; return 200 "${generation}"; }
    location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      # What all attempts at a request are called, for clients that send no t.
      proxy_set_header X-Eio-Request-Id $request_id;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
      # Only a body that it holds as a whole can be sent again.
      proxy_request_buffering on;
      proxy_connect_timeout 5s;
      proxy_send_timeout 60s;
      proxy_read_timeout ${readTimeoutMs}ms;
      proxy_next_upstream ${retry ? "error timeout non_idempotent" : "off"};
    }
  }
}
`;
}

function count(lines: readonly string[]): NginxCounts {
  const byStatus: Record<string, number> = {};
  const byUpstream: Record<string, number> = {};
  const refused: string[] = [];
  let retried = 0;
  for (const line of lines) {
    const match = /^(\d+) .* \[(.*)\] \[.*\]$/.exec(line);
    if (match === null) continue;
    const [, status = "", addresses = ""] = match;
    byStatus[status] = (byStatus[status] ?? 0) + 1;
    // 499 is nginx's word for a client that went away: it was answered nothing.
    if (/^[45]/.test(status) && status !== "499") refused.push(line);
    const ports = [...addresses.matchAll(/:(\d+)/g)].map(([, upstream = ""]) => upstream);
    for (const upstream of ports) byUpstream[upstream] = (byUpstream[upstream] ?? 0) + 1;
    if (ports.length > 1) retried++;
  }
  return { byStatus, byUpstream, retried, refused };
}
