import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort } from "./free-port";
import { startNats, type NatsProcess } from "./nats";
import { startProcess, type RunningProcess } from "./processes";
import { waitFor } from "./wait-for";

/** A certificate authority that nobody trusts, and a server's certificate that it signed: files. */
export interface Certificates {
  readonly folder: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** For the names, which are those of the loopback address. Made by openssl; the folder is its caller's to remove. */
export function makeCertificates(subjects = "IP:127.0.0.1,DNS:localhost"): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "eio-tls-"));
  const file = (name: string): string => join(folder, name);
  const make = (name: string, ...more: string[]): void => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file(`${name}.key`)];
    execFileSync("openssl", ["req", "-x509", ...key, "-out", file(`${name}.pem`), "-days", "2", ...more], {
      stdio: "ignore",
    });
  };
  make("ca", "-subj", "/CN=authority of a test");
  const names = ["-addext", `subjectAltName=${subjects}`, "-addext", "basicConstraints=CA:FALSE"];
  make("server", "-subj", "/CN=localhost", "-CA", file("ca.pem"), "-CAkey", file("ca.key"), ...names);
  return { folder, ca: file("ca.pem"), cert: file("server.pem"), key: file("server.key") };
}

export function readDocs(): string {
  return readFileSync(join(__dirname, "../../docs/security.md"), "utf8");
}

/** The block of docs/security.md that begins with this, as its readers copy it. */
export function documented(beginning: string): string {
  const blocks = [...readDocs().matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
  const found = blocks.filter((text) => text.startsWith(beginning));
  const [text] = found;
  if (text === undefined || found.length > 1)
    throw new Error(`${found.length} blocks of the docs begin with ${beginning}`);
  return text.trim();
}

/** Options of a client. */
export interface SecuredRedisOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly tls: { readonly ca: Buffer };
}

export interface SecuredRedis {
  readonly port: number;
  /** Who may do everything; the default user may do nothing. */
  readonly admin: SecuredRedisOptions;
  stop(): Promise<void>;
}

/** A redis-server that listens with TLS only. */
export async function startSecuredRedis(certificates: Certificates): Promise<SecuredRedis> {
  const { folder, ca, cert, key } = certificates;
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const config = join(folder, `redis-${port}.conf`);
    const lines = [
      "bind 127.0.0.1",
      "port 0",
      `tls-port ${port}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${ca}`,
      "tls-auth-clients no",
      `dir ${folder}`,
      'save ""',
      "user admin on >admin-of-a-test ~* &* +@all",
      "user default off",
    ];
    writeFileSync(config, lines.join("\n"));
    const server = startProcess("redis-server", [config]);
    const admin = {
      host: "127.0.0.1",
      port,
      username: "admin",
      password: "admin-of-a-test",
      tls: { ca: readFileSync(ca) },
    };
    try {
      await answers(server, admin);
      return { port, admin, stop: async () => void (await server.kill()) };
    } catch (error) {
      await server.kill();
      // Between the look and the start, somebody else can take a free port.
      if (attempt === 3) throw error;
    }
  }
}

async function answers(server: RunningProcess, admin: SecuredRedisOptions): Promise<void> {
  const client = new Redis({ ...admin, lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: 0 });
  client.on("error", () => undefined);
  try {
    await server.until("it to answer", async () => (await client.ping().catch(() => "")) === "PONG" || undefined);
  } finally {
    client.disconnect();
  }
}

export interface SecuredNats extends NatsProcess {
  /** What it has logged. */
  log(): string;
}

/** A nats-server with a configuration as it is in the docs, whose certificate is a test's. */
export async function startSecuredNats(certificates: Certificates, configuration: string): Promise<SecuredNats> {
  const { folder, cert, key } = certificates;
  const file = join(mkdtempSync(join(folder, "nats-")), "log");
  const set = configuration
    .replace(/cert_file: "[^"]*"/, `cert_file: "${cert}"`)
    .replace(/key_file: "[^"]*"/, `key_file: "${key}"`);
  const server = await startNats(`log_file: "${file}"\n${set}`);
  return Object.assign(server, { log: () => readFileSync(file, "utf8") });
}

export function removeCertificates({ folder }: Certificates): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Waits until the server has logged what it was told of. */
export function logs(nats: SecuredNats, pattern: RegExp): Promise<RegExpExecArray> {
  return waitFor(`${String(pattern)} in the log of NATS`, () => pattern.exec(nats.log()) ?? undefined);
}
