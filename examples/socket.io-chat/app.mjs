import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAdapter } from "@socket.io/redis-adapter";
import express from "express";
import { createClient } from "redis";
import { Server } from "socket.io";

const here = dirname(fileURLToPath(import.meta.url));
const socketIo = dirname(createRequire(import.meta.url).resolve("socket.io/package.json"));

/** Called in each worker, with its engine and its HTTP server; the worker serves when this is done. */
export default async function chat(engine, httpServer, { log }) {
  const app = express();
  app.use(express.static(join(here, "public")));
  // The script that the page loads.
  app.use("/client", express.static(join(socketIo, "client-dist")));
  httpServer.on("request", app);

  const io = new Server({ adapter: await redisAdapter(process.env.REDIS_URL, log) });
  io.bind(engine);

  io.on("connection", (socket) => {
    const { name = "somebody" } = socket.handshake.auth;
    socket.emit("worker", process.pid);
    socket.on("join", async (room, done) => {
      await socket.join(room);
      socket.to(room).emit("notice", `${name} has joined ${room}`);
      done();
    });
    socket.on("say", (room, text, done) => {
      io.to(room).emit("said", { room, name, text, worker: process.pid });
      done();
    });
  });
}

/** Carries what is said in a room to the clients of the other workers. */
async function redisAdapter(url, log) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    client.on("error", (error) => log.error("redis", { error: error.message }));
    await client.connect();
  }
  return createAdapter(publisher, subscriber);
}
