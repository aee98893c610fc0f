import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What a stand-in does with a request. */
export type StandInMode = "answer" | "hold" | "partial" | "stream";

/** What it tells its parent. */
export type StandInMessage =
  | { readonly type: "listening" }
  | { readonly type: "request"; readonly method: string; readonly url: string; readonly body: string }
  | { readonly type: "gone"; readonly url: string };

/** What it answers. */
export interface StandInAnswer {
  readonly worker: string;
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A worker process as a front sees it, and nothing else: `node stand-in-worker.ts <socket> <name> <mode>`. */
const [path = "", name = "", mode = "answer"] = process.argv.slice(2);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    response.on("close", () => {
      if (!response.writableFinished) tell({ type: "gone", url: request.url ?? "" });
    });
    respond(request, response, body);
    tell({ type: "request", method: request.method ?? "", url: request.url ?? "", body });
  });
});

server.on("upgrade", (request: IncomingMessage, socket, head: Buffer) => {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Worker: ${name}\r\n\r\n`,
  );
  socket.write(`forwarded for ${String(request.headers["x-forwarded-for"])};`);
  socket.write(head);
  socket.pipe(socket);
  socket.on("error", () => socket.destroy());
});

function respond(request: IncomingMessage, response: ServerResponse, body: string): void {
  if (mode === "partial") {
    response.writeHead(200, { "Content-Length": 100 });
    response.write("half");
  } else if (mode === "stream") {
    response.writeHead(200);
    response.write("first");
  } else if (mode === "answer") {
    const answer: StandInAnswer = {
      worker: name,
      method: request.method ?? "",
      url: request.url ?? "",
      rawHeaders: request.rawHeaders,
      body,
    };
    response.writeHead(
      200,
      [
        ["Content-Type", "application/json"],
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["X-Worker", name],
      ].flat(),
    );
    response.end(JSON.stringify(answer));
  }
}

function tell(message: StandInMessage): void {
  process.send?.(message);
}

server.listen({ path }, () => {
  tell({ type: "listening" });
});
process.on("disconnect", () => process.exit());
