import { Server, type RawData, type ServerOptions, type Socket } from "../../src/index";
import { endWhenTold, listenAnywhere, makeHttpServer, tellListening } from "./node";

/** One process of ours that echoes: by itself, or a node of the cluster that its argument names. */
async function main(): Promise<void> {
  endWhenTold();
  const engine = new Server(JSON.parse(process.argv[2] ?? "{}") as ServerOptions);
  engine.on("connection", (socket: Socket) => {
    socket.on("message", (data: RawData) => {
      socket.send(data);
    });
  });
  const server = makeHttpServer();
  engine.attach(server);
  await engine.ready();
  tellListening(await listenAnywhere(server));
}

void main();
