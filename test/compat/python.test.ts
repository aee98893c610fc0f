import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { Server as IoServer } from "socket.io";
import type { Socket } from "../../src/session/socket";
import { MODES, startEngines } from "../helpers/engines";
import { pythonWithClients } from "../helpers/python";
import { roundRobin } from "../helpers/round-robin";

interface Report {
  readonly client: string;
  readonly how: string;
  readonly transport: string;
  readonly missing: readonly string[];
  readonly got: number;
}

const python = pythonWithClients();
// Where all tests have to run, one that is left out is a failure.
const skip =
  python === undefined && process.env["CI"] === undefined
    ? "no Python with python-socketio, requests, websocket-client and aiohttp"
    : false;

const run = promisify(execFile);

describe("the clients of Python", () => {
  for (const mode of MODES) {
    it(`poll, upgrade and have websockets [${mode}]`, { skip }, async () => {
      // Short, so that they are pinged in between.
      const options = { pingInterval: 300, pingTimeout: 60_000 };
      const echoing = await startEngines(mode, options, { beatInterval: 100 });
      const serving = await startEngines(mode, options, { beatInterval: 100, takeover: "close" });
      const [echoes, server] = [await roundRobin(echoing.balanced), await roundRobin(serving.balanced)];
      // A connection that is closed as a request goes out is an error to these clients.
      for (const http of [...echoing.servers, ...serving.servers]) http.keepAliveTimeout = 120_000;
      try {
        echoing.on("connection", (socket: Socket) => {
          socket.on("message", (data: unknown) => socket.send(typeof data === "string" ? `${data} aé€😀` : data));
        });
        for (const engine of serving.engines) {
          const io = new IoServer();
          io.bind(engine);
          io.on("connection", (socket) => {
            socket.on("echo", (value: unknown, done: (value: unknown) => void) => {
              done(value);
            });
          });
        }
        assert.ok(python !== undefined, "the clients are installed");
        const { stdout } = await run(python, [join(__dirname, "python-clients.py"), echoes.url, server.url], {
          timeout: 300_000,
        });
        const reports = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as Report);
        assert.deepEqual(
          reports,
          reports.map(({ client, how }) => ({
            client,
            how,
            transport: how === "polls" ? "polling" : "websocket",
            missing: [],
            got: client.startsWith("engineio") ? 40 : 10,
          })),
        );
        assert.equal(reports.length, 9);
      } finally {
        await Promise.all([echoes.stop(), server.stop()]);
        await Promise.all([echoing.stop(), serving.stop()]);
      }
    });
  }
});
