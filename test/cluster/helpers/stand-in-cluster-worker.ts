import { createServer } from "node:http";
import {
  isPrimaryMessage,
  WORKER_NAME_VARIABLE,
  WORKER_SOCKET_VARIABLE,
  type WorkerMessage,
} from "../../../cluster/messages";

/** What a worker does, by name: `STAND_IN="w1=crash w2=stubborn"`. */
const name = process.env[WORKER_NAME_VARIABLE] ?? "";
const mode = new Map((process.env["STAND_IN"] ?? "").split(" ").map((pair) => pair.split("=") as [string, string])).get(
  name,
);

function tell(message: WorkerMessage, then?: () => void): void {
  process.send?.(message, undefined, undefined, () => then?.());
}

if (mode === "crash") process.exit(7);
if (mode === "fatal") tell({ type: "fatal", message: "the app does not load", exitCode: 2 }, () => process.exit(2));
else {
  const server = createServer((_request, response) => response.end(`${name} ${String(process.pid)}`));
  server.listen({ path: process.env[WORKER_SOCKET_VARIABLE], exclusive: true }, () => {
    setTimeout(
      () => {
        ready = true;
        tell({ type: "ready", port: undefined });
      },
      mode === "deaf" ? 1000 : 0,
    );
  });
  // What comes before it is ready is lost on one that is deaf.
  let ready = mode !== "deaf";
  process.on("message", (message) => {
    if (!isPrimaryMessage(message) || !ready) return;
    if (message.type === "ping") tell({ type: "pong" });
    else if (mode !== "stubborn") tell({ type: "draining" }, () => process.exit(0));
  });
  process.on("SIGINT", () => undefined);
}
