import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../testing/free-port";
import { startProcess } from "../../testing/processes";
import { ROOT } from "./manifests";

/** Debian keeps nginx in sbin, which a plain user's PATH does not name. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin`;

export function shippedNginx(): string {
  return readFileSync(join(ROOT, "deploy/nginx.conf"), "utf8");
}

/** The servers of its upstream, as the file names them: host and port. */
export function shippedUpstreams(text: string): { readonly host: string; readonly port: number }[] {
  return [...text.matchAll(/^\s*server ([\w.-]+):(\d+)/gm)].map(([, host = "", port = ""]) => ({
    host,
    port: Number(port),
  }));
}

/** The file as it is, but for where it listens, who its upstreams are, and the folders that only root may write to. */
function runnable(text: string, upstreams: readonly number[], port: number, folder: string): string {
  const names = shippedUpstreams(text);
  if (names.length !== upstreams.length) throw new Error(`deploy/nginx.conf has ${names.length} upstreams`);
  let replaced = text.replace(/^(\s*listen) 80;/m, `$1 127.0.0.1:${port};`);
  for (const [i, { host, port: named }] of names.entries())
    replaced = replaced.replace(`server ${host}:${named}`, `server 127.0.0.1:${String(upstreams[i])}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const log = `log_format attempts '$status $request_method $request_uri [$upstream_status]';`;
  return `${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
${replaced.replace(/^http \{/m, `http {\n${log}\naccess_log ${folder}/access.log attempts;\n${temporary.join("\n")}\n`)}`;
}

function folderOf(text: string, upstreams: readonly number[], port: number): string {
  const folder = mkdtempSync(join(tmpdir(), "nginx-shipped-"));
  writeFileSync(join(folder, "nginx.conf"), runnable(text, upstreams, port, folder));
  return folder;
}

function args(folder: string): string[] {
  return ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")];
}

/** What `nginx -t` says of it. */
export async function testShippedNginx(text = shippedNginx()): Promise<{ status: number | null; said: string }> {
  const port = await freePort();
  const folder = folderOf(
    text,
    shippedUpstreams(text).map(() => port),
    port,
  );
  try {
    const { status, stderr, error } = spawnSync("nginx", ["-t", ...args(folder)], {
      encoding: "utf8",
      env: { ...process.env, PATH },
    });
    if (error !== undefined) throw error;
    return { status, said: stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface ShippedNginx {
  readonly url: string;
  /** Log lines of requests that were answered with an error; all of them once it has stopped. */
  readonly refused: () => string[];
  readonly stop: () => Promise<void>;
}

/** Runs it before nodes on these ports. */
export async function startShippedNginx(upstreams: readonly number[]): Promise<ShippedNginx> {
  const port = await freePort();
  const folder = folderOf(shippedNginx(), upstreams, port);
  const nginx = startProcess("nginx", args(folder), { name: "nginx" });
  let lines = (): string[] => readFileSync(join(folder, "access.log"), "utf8").split("\n");
  const url = `http://127.0.0.1:${port}`;
  await nginx.until("an answer of nginx", () =>
    fetch(url).then(
      () => true as const,
      () => undefined,
    ),
  );
  return {
    url,
    // 499 is nginx's word for a client that went away.
    refused: () => lines().filter((line) => /^[45]/.test(line) && !line.startsWith("499") && !line.includes("GET / ")),
    stop: async () => {
      if (!nginx.running) return;
      await nginx.stop();
      const kept = lines();
      lines = () => kept;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
