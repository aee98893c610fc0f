import { connect, createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { Child, type Part } from "./processes";
import { versionOf } from "./machine";

/** Redis or NATS, private to one measurement. */
export interface ServerProcess {
  readonly url: string;
  readonly part: Part;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Says what to install where something is missing that contenders need. */
export function requireServers(): void {
  const missing = ["redis-server", "nats-server"].filter((name) => versionOf(name) === undefined);
  if (missing.length === 0) return;
  throw new Error(
    `not on the PATH: ${missing.join(", ")}. On Debian or Ubuntu: sudo apt-get install redis-server nats-server; ` +
      `elsewhere: install Redis 7 and NATS 2.9, or later. Contenders that need neither can be named by --only`,
  );
}

export async function startRedis(): Promise<ServerProcess> {
  const port = await freePort();
  // It saves nothing, so that it leaves nothing in its folder.
  const child = Child.spawn("redis-server", [
    ...["--port", String(port), "--bind", HOST, "--dir", tmpdir()],
    ...["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"],
  ]);
  return ready("redis", child, `redis://${HOST}:${port}`, port);
}

export async function startNats(): Promise<ServerProcess> {
  const port = await freePort();
  const child = Child.spawn("nats-server", ["-a", HOST, "-p", String(port)]);
  return ready("nats", child, `nats://${HOST}:${port}`, port);
}

async function ready(role: string, child: Child, url: string, port: number): Promise<ServerProcess> {
  try {
    await child.until(`answer on port ${port}`, async () => ((await answers(port)) ? true : undefined));
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { url, part: { role, pid: child.pid }, stop: () => child.stop() };
}

/** Whether something there speaks: NATS does so by itself, Redis when it is asked. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    const done = (spoke: boolean): void => {
      socket.destroy();
      resolve(spoke);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      done(/^(INFO|\+PONG)/.test(data.toString()));
    });
    socket.once("error", () => {
      done(false);
    });
    socket.once("end", () => {
      done(false);
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
