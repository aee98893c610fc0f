import cluster from "node:cluster";
import { once } from "node:events";
import { setupMaster, setupWorker } from "@socket.io/sticky";
import { Server } from "engine.io";
import { echo, ENGINE_OPTIONS } from "./engine-io";
import { endWhenTold, listenAnywhere, makeHttpServer, tellListening } from "./node";

/** engine.io in node:cluster with @socket.io/sticky, set up as its documentation says. */
async function primary(): Promise<void> {
  endWhenTold();
  const server = makeHttpServer();
  setupMaster(server, { loadBalancingMethod: "least-connection" });
  const port = await listenAnywhere(server);
  cluster.setupPrimary({ serialization: "advanced" });
  const workers = Array.from({ length: Number(process.argv[2]) }, () => cluster.fork());
  // They listen on no port of their own: what they say is that their engine is there.
  await Promise.all(workers.map((worker) => once(worker, "message")));
  tellListening(
    port,
    workers.map((worker) => worker.process.pid ?? 0),
  );
}

function worker(): void {
  endWhenTold();
  const httpServer = makeHttpServer();
  const engine = new Server(ENGINE_OPTIONS);
  engine.attach(httpServer);
  // It takes Socket.IO's server, and uses these two of its properties.
  setupWorker({ httpServer, engine } as unknown as Parameters<typeof setupWorker>[0]);
  echo(engine);
  process.send?.("ready");
}

if (cluster.isPrimary) void primary();
else worker();
