import { createServer } from "node:http";
import { attach } from "engine.io-cluster";

const { PORT = "3000", REDIS_URL: redis, NATS_URL: nats, CLUSTER_SECRET: secret } = process.env;

const http = createServer((request, response) => response.writeHead(404).end("Not found\n"));
const engine = attach(http, redis && nats ? { cluster: { redis, nats, secret } } : {});

engine.on("connection", (socket) => {
  // Where the session was another node's, which died, `data` is as that one left it.
  if (!socket.recovered) socket.data = { messages: 0 };
  socket.on("message", (message) => {
    socket.data.messages++;
    socket.send(`${socket.data.messages}: ${message}`);
  });
  socket.on("close", (reason) => console.log("a session closed:", reason));
});

// Until then a cluster's node answers 503.
await engine.ready();
http.listen(PORT, () => console.log(`listening on http://localhost:${http.address().port}/`));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    // In a cluster the sessions are the other nodes' from now on; a process by itself ends them.
    await engine.drain();
    http.close();
    http.closeAllConnections();
  });
}
