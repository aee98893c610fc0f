import fastify from "fastify";
import { attach } from "engine.io-cluster";

const { PORT = "3000" } = process.env;

/** Decorates the application with `engine`. */
async function engineIo(app, options) {
  const engine = attach(app.server, options);
  app.decorate("engine", engine);
  // Before Fastify waits for connections to end: polls that wait would keep it.
  app.addHook("preClose", async () => {
    engine.close();
    await engine.closed();
  });
  await engine.ready();
}
// A plugin of the whole application, and not of a part of it.
engineIo[Symbol.for("skip-override")] = true;

const app = fastify({ forceCloseConnections: true });
await app.register(engineIo, { path: "/engine.io" });

app.engine.on("connection", (socket) => {
  socket.on("message", (message) => socket.send(message));
});

app.addHook("onResponse", async (request) => {
  for (const socket of Object.values(app.engine.clients)) socket.send(`${request.method} ${request.url}`);
});

app.get("/", async () => ({ sessions: app.engine.clientsCount }));

await app.listen({ port: Number(PORT) });
console.log(`listening on http://localhost:${app.server.address().port}/`);

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => app.close());
