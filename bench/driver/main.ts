import { Connections } from "./http";
import { Load } from "./load";
import type { DriverMessage, Task } from "./messages";
import { PollingClient } from "./polling";
import { WebSocketClient } from "./websocket";

/** The process that makes the load: its task comes as its argument, its findings go to whoever forked it. */
async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? "") as Task;
  const targets = task.ports.map((port) => new Connections(port));
  const load = new Load(task, (index, listener) =>
    task.kind === "polling"
      ? PollingClient.open(index, listener, targets, task.roaming)
      : WebSocketClient.open(index, listener, targets, task.roaming),
  );
  tell({ type: "findings", findings: await load.run() });
}

function tell(message: DriverMessage): void {
  process.send?.(message, () => process.exit(0));
}

process.once("disconnect", () => process.exit(1));
main().catch((error: unknown) => {
  tell({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
});
