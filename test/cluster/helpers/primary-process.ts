import { join } from "node:path";
import { readConfig } from "../../../cluster/config";
import { FatalError } from "../../../cluster/fatal";
import { createLog } from "../../../cluster/log";
import { Primary } from "../../../cluster/primary";
import { runtimeClock } from "../../../src/time/runtime-clock";

/** A primary with stand-in workers; its log is JSON on stdout. */
async function main(): Promise<number> {
  const read = readConfig({}, process.env);
  if (!read.ok) throw new Error(read.problems.join("; "));
  const log = createLog({ format: "json", level: "debug", name: "primary" });
  const primary = new Primary({
    config: read.config,
    workerFile: join(__dirname, "stand-in-cluster-worker.ts"),
    hub: undefined,
    clock: runtimeClock,
    log,
    onReady: (port) => {
      log.info("listening", { port });
    },
  });
  return primary.run();
}

main().then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    process.stdout.write(`${JSON.stringify({ msg: error instanceof Error ? error.message : String(error) })}\n`);
    process.exit(error instanceof FatalError ? error.exitCode : 99);
  },
);
