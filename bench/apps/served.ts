import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { RawData, Server, Socket } from "../../src/index";
import { listenAnywhere, makeHttpServer } from "./node";

/** How a worker says where it can be reached without the front: a line of its output. */
export const WORKER_LINE = /^bench-worker (\d+) (\d+)$/gm;

/** The application that echoes under the command `serve`, and listens on a port of its own beside the front's socket. */
export default async function served(engine: Server, httpServer: HttpServer): Promise<void> {
  engine.on("connection", (socket: Socket) => {
    socket.on("message", (data: RawData) => {
      socket.send(data);
    });
  });
  const direct = makeHttpServer();
  direct.on("request", (request: IncomingMessage, response: ServerResponse) => {
    httpServer.emit("request", request, response);
  });
  const port = await listenAnywhere(direct);
  process.stdout.write(`bench-worker ${process.pid} ${port}\n`);
}
