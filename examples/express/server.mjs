import { createServer } from "node:http";
import express from "express";
import { attach } from "engine.io-cluster";

const { PORT = "3000" } = process.env;

const app = express();
const http = createServer(app);
// Requests below /engine.io/ are the engine's now, all others the application's.
const engine = attach(http);

/** Sockets by the name that their client gave. */
const sockets = new Map();

// Sees each request of the engine before its session does, as Express's own middlewares see those of the application.
engine.use((request, response, next) => {
  const { searchParams } = new URL(request.url, "http://localhost");
  if (searchParams.has("name")) next();
  else response.writeHead(401).end("say who you are\n");
});

engine.on("connection", (socket) => {
  const { name } = socket.request._query;
  sockets.set(name, socket);
  socket.send(`welcome, ${name}`);
  socket.on("close", () => {
    if (sockets.get(name) === socket) sockets.delete(name);
  });
});

app.get("/sessions", (request, response) => {
  response.json(Object.fromEntries([...sockets].map(([name, { id }]) => [name, id])));
});

app.post("/sessions/:name/messages", express.text(), (request, response) => {
  const socket = sockets.get(request.params.name);
  if (socket === undefined) return response.status(404).send("nobody of that name\n");
  // Called when the message is on its way.
  socket.send(request.body, () => response.send("sent\n"));
});

http.listen(PORT, () => console.log(`listening on http://localhost:${http.address().port}/`));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    engine.close();
    await engine.closed();
    http.close();
    http.closeAllConnections();
  });
}
