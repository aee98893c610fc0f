import type { ClusterFace } from "../cluster-face";
import type { Socket } from "../session/socket";
import type { Load } from "../telemetry/load";

/** What health and metrics need of an engine: a `Server` of this package. */
export interface OperatedEngine {
  readonly clients: Readonly<Record<string, Socket>>;
  readonly cluster: ClusterFace | undefined;
  /** What it holds, and how often a limit was met. */
  readonly load: Load;
  on(event: "connection", listener: (socket: Socket) => void): unknown;
  on(event: "connection_error", listener: (error: { readonly code: number }) => void): unknown;
}
