import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { startHub, type Hub } from "../../src/index";
import { startNats } from "../helpers/nats";
import { startProcess, type RunningProcess } from "../helpers/processes";
import { startRedis } from "../helpers/redis";
import { startBackends, type Backends } from "./backends";
import { RawClient, RawWebSocket } from "./raw";

/** What a process may take from its close to its exit on a slow machine. A connection that is kept alive would hold it for 5 s. */
const WITHIN_MS = 4_500;
/** The same where the ends of its sessions cannot be recorded, which is waited for a while. */
const PATIENT_MS = 10_000;

interface Closing {
  readonly redis?: string;
  readonly nats?: string;
  readonly prefix?: string;
  readonly local?: boolean;
  readonly handed?: boolean;
  readonly when?: "in the same call" | "a moment later";
  readonly how?: "twice" | "drain" | "by the HTTP server";
  readonly env?: Readonly<Record<string, string>>;
}

const started: RunningProcess[] = [];

function start({ env, ...closing }: Closing): RunningProcess {
  const own = { prefix: `x${randomBytes(4).toString("hex")}`, ...closing };
  const child = startProcess(process.execPath, [join(__dirname, "../helpers/closing.cjs")], {
    name: "a process to be closed",
    env: { ...env, TEST_CLOSING: JSON.stringify(own) },
  });
  started.push(child);
  return child;
}

async function urlOf(child: RunningProcess): Promise<string> {
  await child.prints(/^ready$/m);
  const [, port = ""] = await child.prints(/listening at (\d+)/);
  return `http://127.0.0.1:${port}`;
}

/** It has exited, by itself and in time. */
async function assertExits(child: RunningProcess, within = WITHIN_MS): Promise<void> {
  await child.prints(/^closing$/m);
  const timer = setTimeout(() => void child.kill(), within + 8_000);
  const { code, signal } = await child.ended;
  clearTimeout(timer);
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, `it printed:\n${child.logs()}`);
  assert.match(child.logs(), /^closed$/m);
  const took = Number(/exit after (\d+) ms/.exec(child.logs())?.[1]);
  assert.ok(took < within, `it took ${String(took)} ms; it printed:\n${child.logs()}`);
}

/** Everything that sessions can leave behind, of sessions that are here, or are asked for here. */
async function serve(opened: string, asked: string): Promise<void> {
  await servePolls(opened, asked);
  await serveWebSockets(opened, asked);
}

async function servePolls(opened: string, asked: string): Promise<void> {
  const polling = await RawClient.open(opened);
  assert.equal((await polling.post(asked, "4x")).body, "ok");
  assert.equal((await polling.poll(asked)).body, "4x");
  // Parked until the close; a node that goes gives it up.
  polling.poll(asked).catch(() => undefined);
  const closing = await RawClient.open(opened);
  await closing.post(asked, "1");
}

async function serveWebSockets(opened: string, asked: string): Promise<void> {
  const { websocket } = await RawWebSocket.session(asked);
  websocket.send("4x");
  assert.equal(await websocket.next(), "4x");
  const upgraded = await (await RawClient.open(opened)).upgrade(asked);
  upgraded.send("4x");
  assert.equal(await upgraded.next(), "4x");
  const probing = await (await RawClient.open(opened)).websocket(asked);
  probing.send("2probe");
  assert.equal(await probing.next(), "3probe");
}

afterEach(async () => {
  for (const child of started.splice(0)) await child.kill();
});

describe("a process exits by itself when its engine is closed", () => {
  let backends: Backends;
  let hub: Hub;

  before(async () => {
    [backends, hub] = await Promise.all([startBackends(), startHub()]);
  });

  after(async () => {
    await hub.close();
    await backends.stop();
  });

  const kinds: Readonly<Record<string, () => Closing>> = {
    "without a cluster": () => ({}),
    "in a cluster on Redis and NATS": () => ({ redis: backends.redis.url, nats: backends.nats.url }),
    "in an embedded cluster": () => ({ local: true, env: hub.environment }),
  };
  for (const [kind, options] of Object.entries(kinds)) {
    describe(kind, () => {
      for (const how of [undefined, "twice", "drain", "by the HTTP server"] as const) {
        test(`with sessions, ${how ?? "once"}`, async () => {
          const child = start({ ...options(), ...(how === undefined ? {} : { how }) });
          const url = await urlOf(child);
          await servePolls(url, url);
          // A drain leaves a node's own websockets to the end of the process, and an HTTP server does not close them.
          if (how === undefined || how === "twice") await serveWebSockets(url, url);
          child.signal("SIGUSR2");
          await assertExits(child);
        });
      }
      for (const when of ["in the same call", "a moment later"] as const) {
        test(`before it is ready, ${when}`, async () => {
          await assertExits(start({ ...options(), when }));
          await assertExits(start({ ...options(), when, how: "twice" }));
        });
      }
      if (kind === "without a cluster") return;
      test("with others' sessions, and others with its own", async () => {
        const both = { ...options(), prefix: `x${randomBytes(4).toString("hex")}` };
        const [one, other] = [start(both), start(both)];
        const urls = [await urlOf(one), await urlOf(other)] as const;
        await serve(urls[0], urls[1]);
        await serve(urls[1], urls[0]);
        one.signal("SIGUSR2");
        await assertExits(one);
        other.signal("SIGUSR2");
        await assertExits(other);
      });
    });
  }

  test("and leaves connections that it was given open", async () => {
    for (const how of [undefined, "drain"] as const) {
      const { redis, nats } = backends;
      const child = start({ redis: redis.url, nats: nats.url, handed: true, ...(how === undefined ? {} : { how }) });
      const url = await urlOf(child);
      await servePolls(url, url);
      if (how === undefined) await serveWebSockets(url, url);
      child.signal("SIGUSR2");
      await assertExits(child);
      assert.match(child.logs(), /still there: PONG/);
    }
  });
});

describe("a process exits by itself when its engine is closed while what it needs is away", () => {
  /** Nobody listens there. */
  const NOWHERE = { redis: "redis://127.0.0.1:1", nats: "nats://127.0.0.1:1" };
  let backends: Backends;

  before(async () => {
    backends = await startBackends();
  });

  after(() => backends.stop());

  for (const away of ["redis", "nats"] as const) {
    for (const [when, how] of [["in the same call"], ["a moment later"], [], [undefined, "drain"]] as const) {
      test(`${away} from the start, ${how ?? "closed"} ${when ?? "after a while"}`, async () => {
        const child = start({
          redis: backends.redis.url,
          nats: backends.nats.url,
          [away]: NOWHERE[away],
          ...(when === undefined ? {} : { when }),
          ...(how === undefined ? {} : { how }),
        });
        if (when === undefined) {
          await child.prints(/trouble|not ready/);
          child.signal("SIGUSR2");
        }
        await assertExits(child);
      });
    }
  }

  for (const how of ["gone", "frozen"] as const) {
    test(`Redis is ${how}`, async () => {
      const redis = await startRedis();
      try {
        const child = start({ redis: redis.url, nats: backends.nats.url });
        const url = await urlOf(child);
        await serve(url, url);
        if (how === "gone") await redis.kill();
        else process.kill(redis.pid, "SIGSTOP");
        child.signal("SIGUSR2");
        await assertExits(child, PATIENT_MS);
      } finally {
        await redis.stop();
      }
    });
    test(`NATS is ${how}`, async () => {
      const nats = await startNats();
      try {
        const child = start({ redis: backends.redis.url, nats: nats.url });
        const url = await urlOf(child);
        await serve(url, url);
        if (how === "gone") await nats.kill();
        else nats.pause();
        child.signal("SIGUSR2");
        await assertExits(child, PATIENT_MS);
      } finally {
        await nats.kill();
      }
    });
  }

  test("Redis is frozen from the start", async () => {
    const redis = await startRedis();
    try {
      process.kill(redis.pid, "SIGSTOP");
      const child = start({ redis: redis.url, nats: backends.nats.url });
      await child.prints(/listening/);
      child.signal("SIGUSR2");
      await assertExits(child);
    } finally {
      await redis.stop();
    }
  });

  test("NATS is frozen from the start", async () => {
    // Takes connections and says nothing.
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    try {
      const { port } = silent.address() as AddressInfo;
      const child = start({ redis: backends.redis.url, nats: `nats://127.0.0.1:${String(port)}` });
      const [connection] = (await once(silent, "connection")) as [Socket];
      connection.on("error", () => undefined);
      child.signal("SIGUSR2");
      await child.prints(/^closed$/m, WITHIN_MS);
      await assertExits(child);
    } finally {
      silent.close();
    }
  });

  test("the hub is gone", async () => {
    const hub = await startHub();
    const child = start({ local: true, env: hub.environment });
    const url = await urlOf(child);
    await serve(url, url);
    await hub.close();
    await child.prints(/trouble/);
    child.signal("SIGUSR2");
    await assertExits(child, PATIENT_MS);
  });
});
