import { Server, type ServerOptions, type Socket } from "engine.io";
import { endWhenTold, listenAnywhere, makeHttpServer, tellListening } from "./node";

/** What the others do not do here is off: messages this small are not compressed in any case. */
export const ENGINE_OPTIONS: ServerOptions = { httpCompression: false };

export function echo(engine: Server): void {
  engine.on("connection", (socket: Socket) => {
    socket.on("message", (data: string | Buffer) => {
      socket.send(data);
    });
  });
}

/** One process of engine.io that echoes. */
async function main(): Promise<void> {
  endWhenTold();
  const engine = new Server(ENGINE_OPTIONS);
  echo(engine);
  const server = makeHttpServer();
  engine.attach(server);
  tellListening(await listenAnywhere(server));
}

if (require.main === module) void main();
