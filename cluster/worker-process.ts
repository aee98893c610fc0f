import { runtimeClock } from "../src/time/runtime-clock";
import { readConfig, type Config } from "./config";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, FatalError } from "./fatal";
import { findApp } from "./find-app";
import { createLog, errorText, logFormat } from "./log";
import { isPrimaryMessage, WORKER_NAME_VARIABLE, WORKER_SOCKET_VARIABLE, type WorkerMessage } from "./messages";
import { Worker, type ListenTarget } from "./worker";
import type { Report, ReportTopic } from "./worker-reports";

let worker: Worker | undefined;
let draining = false;

/** What runs in a process that the primary forked. When the primary ends, node:cluster ends this one. */
async function main(): Promise<void> {
  // Before anything is waited for: node:cluster keeps no message for a listener that is not there yet, and a worker
  // that missed its "drain" while it loaded its application was killed when the time to drain was over.
  listenToThePrimary();
  const environment = process.env;
  const name = environment[WORKER_NAME_VARIABLE] ?? "worker";
  const read = readConfig({}, environment);
  if (!read.ok) throw new FatalError(read.problems.join("; "), EXIT_USAGE);
  const { config } = read;
  const log = createLog({ format: logFormat(config.logFormat, environment["NODE_ENV"]), level: config.logLevel, name });
  const app = await findApp(config);
  worker = new Worker({
    config,
    environment,
    name,
    listen: listenTarget(config, environment[WORKER_SOCKET_VARIABLE]),
    app,
    metricLabels: { worker: name },
    // It would answer all that it is asked with 503, and still its pings. Another one takes its place.
    onHubLost: () => {
      if (!draining) process.exit(EXIT_FAILED);
    },
    clock: runtimeClock,
    log,
  });
  const port = await worker.start();
  if (!draining) tell({ type: "ready", port });
}

function listenTarget(config: Config, socket: string | undefined): ListenTarget {
  if (config.balancer === "sticky") return "primary";
  return socket === undefined ? { port: config.port, host: config.host } : { path: socket };
}

function listenToThePrimary(): void {
  process.on("message", (message) => {
    if (!isPrimaryMessage(message)) return;
    switch (message.type) {
      case "drain":
        drain();
        return;
      case "ping":
        tell({ type: "pong" });
        return;
      case "tell":
        void report(message.topic).then((told) => {
          tell({ type: "report", number: message.number, report: told });
        });
    }
  });
  process.on("SIGTERM", drain);
  // A terminal sends Ctrl-C to every process of the group. What becomes of it is the primary's decision.
  process.on("SIGINT", () => undefined);
}

function drain(): void {
  if (draining) return;
  draining = true;
  tell({ type: "draining" });
  void Promise.resolve(worker?.drain()).finally(() => process.exit(EXIT_OK));
}

async function report(topic: ReportTopic): Promise<Report> {
  if (worker === undefined) return {};
  const { operations } = worker;
  if (topic === "readiness") return { readiness: operations.readiness() };
  // Whatever a collector of the application's own throws is not to be the worker's end.
  return { metrics: await operations.metrics.objects().catch(() => []) };
}

function tell(message: WorkerMessage, sent?: () => void): void {
  // Once the primary is gone there is nobody to tell, and this process ends with the channel.
  if (process.connected && process.send !== undefined) process.send(message, undefined, undefined, () => sent?.());
  else sent?.();
}

main().catch((error: unknown) => {
  if (error instanceof FatalError) {
    tell({ type: "fatal", message: error.message, exitCode: error.exitCode }, () => process.exit(error.exitCode));
    return;
  }
  process.stderr.write(
    `worker could not start: ${error instanceof Error ? (error.stack ?? error.message) : errorText(error)}\n`,
  );
  process.exit(EXIT_FAILED);
});
