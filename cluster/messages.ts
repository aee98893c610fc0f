import type { Report, ReportTopic } from "./worker-reports";

/** What a worker tells the primary, over node:cluster's channel. */
export type WorkerMessage =
  /** It serves requests; `port` where it listens on one itself. */
  | { readonly type: "ready"; readonly port: number | undefined }
  /** It gives its sessions away and will exit: no new requests. */
  | { readonly type: "draining" }
  /** It runs: the answer to a ping. */
  | { readonly type: "pong" }
  /** The answer to the question of this number. */
  | { readonly type: "report"; readonly number: number; readonly report: Report }
  /** It cannot start, and no other try would end differently. */
  | { readonly type: "fatal"; readonly message: string; readonly exitCode: number };

/** What the primary tells a worker. */
export type PrimaryMessage =
  | { readonly type: "drain" }
  | { readonly type: "ping" }
  /** It is to report on itself. */
  | { readonly type: "tell"; readonly number: number; readonly topic: ReportTopic };

export const DRAIN: PrimaryMessage = { type: "drain" };
export const PING: PrimaryMessage = { type: "ping" };

/** Environment variables that the primary sets for a worker, beside its configuration and the hub's. */
export const WORKER_NAME_VARIABLE = "ENGINE_IO_CLUSTER_WORKER";
export const WORKER_SOCKET_VARIABLE = "ENGINE_IO_CLUSTER_WORKER_SOCKET";

const WORKER_TYPES: readonly unknown[] = [
  "ready",
  "draining",
  "pong",
  "report",
  "fatal",
] satisfies WorkerMessage["type"][];

const PRIMARY_TYPES: readonly unknown[] = ["drain", "ping", "tell"] satisfies PrimaryMessage["type"][];

/** Applications may use the channel too: their messages are none of ours. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  return isTyped(message) && WORKER_TYPES.includes(message.type);
}

export function isPrimaryMessage(message: unknown): message is PrimaryMessage {
  return isTyped(message) && PRIMARY_TYPES.includes(message.type);
}

function isTyped(message: unknown): message is { readonly type: unknown } {
  return typeof message === "object" && message !== null && "type" in message;
}
