import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import type { Socket } from "../../src/session/socket";
import { MODES, startEngines } from "../helpers/engines";
import { roundRobin } from "../helpers/round-robin";

/** What is used of the stock client 3.x, which has no types of its own. */
interface Client3 {
  readonly transport: { readonly name: string };
  on(event: "open", listener: () => void): void;
  on(event: "message", listener: (data: string | Buffer | ArrayBuffer) => void): void;
  on(event: "close", listener: (reason: string) => void): void;
  removeAllListeners(event: string): void;
  send(data: string | Buffer): void;
  close(): void;
}

const connect = createRequire(__filename)("engine.io-client-3") as (url: string, options: object) => Client3;

const MESSAGES = 60;

/** Text with characters of one, two, three and four bytes, and binary, in turn. */
function message(n: number): string | Buffer {
  return n % 2 === 0 ? `aé€😀${String(n)}` : Buffer.from([0, 255, n]);
}

async function echoed(client: Client3): Promise<(string | Buffer)[]> {
  const got: (string | Buffer)[] = [];
  await new Promise<void>((resolve, reject) => {
    client.on("close", (reason) => {
      reject(new Error(`closed: ${reason} after ${String(got.length)}`));
    });
    client.on("message", (data) => {
      got.push(typeof data === "string" ? data : Buffer.from(data as ArrayBuffer));
      if (got.length === MESSAGES) resolve();
    });
    client.on("open", () => {
      let n = 0;
      const next = (): void => {
        client.send(message(n));
        if (++n < MESSAGES) setTimeout(next, 10);
      };
      next();
    });
  });
  return got;
}

describe("the stock client of protocol 3", () => {
  for (const mode of MODES) {
    for (const [name, options, transport] of [
      ["polls", { transports: ["polling"] }, "polling"],
      ["polls in base64", { transports: ["polling"], forceBase64: true }, "polling"],
      ["has a websocket", { transports: ["websocket"] }, "websocket"],
      ["polls, then upgrades", { transports: ["polling", "websocket"] }, "websocket"],
    ] as const) {
      it(`${name} [${mode}]`, async () => {
        // Short, so that the client pings in between.
        const engines = await startEngines(mode, { pingInterval: 200, pingTimeout: 5000 }, { beatInterval: 100 });
        const balancer = await roundRobin(engines.balanced);
        const beats: unknown[] = [];
        engines.on("connection", (socket: Socket) => {
          assert.equal(socket.protocol, 3);
          socket.on("message", (data: unknown) => socket.send(data));
          socket.on("heartbeat", () => beats.push(1));
        });
        try {
          const client = connect(balancer.url, { ...options });
          assert.deepEqual(
            await echoed(client),
            Array.from({ length: MESSAGES }, (_, n) => message(n)),
          );
          assert.equal(client.transport.name, transport);
          assert.ok(beats.length > 0, "the client has pinged");
          client.removeAllListeners("close");
          client.close();
        } finally {
          await balancer.stop();
          await engines.stop();
        }
      });
    }
  }
});
