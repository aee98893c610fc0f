import type { ClusterFace } from "../cluster-face";
import type { Socket } from "../session/socket";

/** What health and metrics need of an engine: a `Server` of this package. */
export interface OperatedEngine {
  readonly clients: Readonly<Record<string, Socket>>;
  readonly cluster: ClusterFace | undefined;
  on(event: "connection", listener: (socket: Socket) => void): unknown;
  on(event: "connection_error", listener: (error: { readonly code: number }) => void): unknown;
}
