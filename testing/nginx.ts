import { once } from "node:events";
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port";
import { startProcess, type RunningProcess } from "./processes";

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
  /** Ends it and waits until it is gone. */
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
  const folder = mkdtempSync(join(tmpdir(), "nginx-test-"));
  const file = (name: string): string => join(folder, name);
  let generation = 1;
  const configure = (wanted: NginxOptions): void =>
    writeFileSync(file("nginx.conf"), configuration(wanted, port, folder, generation));
  configure(options);
  writeFileSync(file("access.log"), "");
  const args = ["-p", folder, "-c", file("nginx.conf"), "-e", file("error.log")];
  const nginx = startProcess("nginx", args, { name: "nginx" });
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const errorLog = (): string => {
    try {
      return readFileSync(file("error.log"), "utf8");
    } catch {
      return "";
    }
  };
  try {
    await inForce(nginx, port, generation);
  } catch (error) {
    await nginx.kill();
    const log = errorLog();
    remove();
    throw new Error(`nginx did not start: ${String(error)}\n${log}`, { cause: error });
  }
  let lines = (): string[] => readFileSync(file("access.log"), "utf8").split("\n");
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: nginx.pid,
    counts: () => Promise.resolve(count(lines())),
    errorLog,
    accessLog: () => lines().join("\n"),
    reconfigure: async (wanted) => {
      generation++;
      configure(wanted);
      // The worker of the old configuration closes its idle connections all at once: this one stands for them.
      const witness = await idleConnection(port);
      nginx.signal("SIGHUP");
      await inForce(nginx, port, generation);
      await witness.closed;
    },
    stop: async () => {
      if (!nginx.running) return;
      await nginx.stop();
      const kept = lines();
      lines = () => kept;
      remove();
    },
  };
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
