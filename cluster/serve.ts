import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { extname, join } from "node:path";
import { runtimeClock } from "../src/time/runtime-clock";
import { banner } from "./banner";
import type { Config } from "./config";
import { EXIT_FAILED, EXIT_OK } from "./fatal";
import { findApp } from "./find-app";
import { HealthServer } from "./health-server";
import { localHub } from "./local-hub";
import { createLog, logFormat, type Log, type LogFields } from "./log";
import { Primary } from "./primary";
import { Worker } from "./worker";

/** Serves until a signal ends it; resolves with the exit code. */
export function serve(config: Config): Promise<number> {
  const format = logFormat(config.logFormat, process.env["NODE_ENV"]);
  const alone = config.workers === 1;
  const log = createLog({ format, level: config.logLevel, name: alone ? "server" : "primary" });
  const announce = (port: number): void => {
    if (format === "plain") process.stdout.write(banner(config, port));
    else log.info("listening", listening(config, port));
  };
  return alone ? serveAlone(config, log, announce) : servePrimary(config, log, announce);
}

async function servePrimary(config: Config, log: Log, onReady: (port: number) => void): Promise<number> {
  const primary = new Primary({
    config,
    // Beside this file, and compiled as it is.
    workerFile: join(__dirname, `worker-process${extname(__filename)}`),
    hub: localHub(config, log),
    clock: runtimeClock,
    log,
    onReady,
  });
  const health = new HealthServer(primary.operations, log);
  await health.listen(config);
  try {
    return await primary.run();
  } finally {
    health.close();
  }
}

/** This process is the one worker: no fork, no front. With Redis and NATS it is one node of many, as in a container. */
async function serveAlone(config: Config, log: Log, onReady: (port: number) => void): Promise<number> {
  const worker = new Worker({
    config,
    environment: {},
    // Hosts of containers have names of their own, processes on one host need more.
    name: `${hostname()}-${randomBytes(2).toString("hex")}`,
    listen: { port: config.port, host: config.host },
    app: await findApp(config),
    clock: runtimeClock,
    log,
  });
  const stopped = untilStopped(worker, log);
  await new HealthServer(worker.operations, log).listen(config);
  const port = await worker.start();
  if (!worker.stopping) onReady(port ?? 0);
  return stopped;
}

/** Two signals closer than this are one: npm passes on a Ctrl-C that the terminal sent to the whole group. */
const SAME_SIGNAL = 1000;

function untilStopped(worker: Worker, log: Log): Promise<number> {
  return new Promise((resolve) => {
    let since: number | undefined;
    const stop = (signal: NodeJS.Signals): void => {
      if (since === undefined) {
        since = runtimeClock.now();
        log.info("stopping; once more to stop at once", { signal });
        worker.drain().then(
          () => {
            resolve(EXIT_OK);
          },
          () => {
            resolve(EXIT_FAILED);
          },
        );
      } else if (runtimeClock.now() - since >= SAME_SIGNAL) {
        resolve(128 + (signal === "SIGINT" ? 2 : 15));
      }
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}

function listening(config: Config, port: number): LogFields {
  const { host, workers, path, redis } = config;
  const mode = redis !== undefined ? "redis" : workers > 1 ? "embedded" : "alone";
  return { port, host: host ?? "all addresses", workers, path, mode };
}
