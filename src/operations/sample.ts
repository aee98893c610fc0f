import type { ClusterFace } from "../cluster-face";
import type { EngineEvents } from "./engine-events";
import type { OperatedEngine } from "./operated-engine";
import type { Socket } from "../session/socket";
import type { Load } from "../telemetry/load";

/** Sessions of one node and what waits in them, as one look at all of them found it. */
export interface Sample {
  readonly polling: number;
  readonly websocket: number;
  readonly bufferedPackets: number;
  /** Characters of text and bytes of binary. */
  readonly bufferedSize: number;
  readonly events: EngineEvents;
  readonly load: Load;
  readonly cluster: ClusterFace | undefined;
  readonly counts: Readonly<Record<string, number>>;
  readonly links: Readonly<Record<string, number>>;
  readonly store: Readonly<Record<string, number>>;
  /** Seconds; undefined where it was not measured. */
  readonly busRoundTrip: number | undefined;
  /** Messages that the bus did not take; undefined without a cluster. */
  readonly busDropped: number | undefined;
  /** Sends to sessions that were rejected since too many waited. */
  readonly refusedSends: number;
}

/** One look at all sessions that are owned here: the only thing about metrics that takes time, once for each scrape. */
export function sampleOf(engine: OperatedEngine, events: EngineEvents, busRoundTrip: number | undefined): Sample {
  let polling = 0;
  let websocket = 0;
  let bufferedPackets = 0;
  let bufferedSize = 0;
  for (const sid in engine.clients) {
    const socket = engine.clients[sid];
    if (socket === undefined) continue;
    if (socket.transport.name === "websocket") websocket++;
    else polling++;
    bufferedPackets += socket.writeBuffer.length;
    bufferedSize += sizeOf(socket);
  }
  const { cluster } = engine;
  const stats = cluster?.stats();
  return {
    polling,
    websocket,
    bufferedPackets,
    bufferedSize,
    events,
    load: engine.load,
    cluster,
    counts: stats?.counts ?? NOTHING,
    links: stats?.links ?? NOTHING,
    store: stats?.store ?? NOTHING,
    busRoundTrip,
    busDropped: cluster?.adapters?.bus.dropped,
    refusedSends: stats?.refused["sends"] ?? 0,
  };
}

const NOTHING: Readonly<Record<string, number>> = Object.freeze({});

function sizeOf({ writeBuffer }: Pick<Socket, "writeBuffer">): number {
  let size = 0;
  for (const { data } of writeBuffer) {
    if (typeof data === "string") size += data.length;
    else size += data?.byteLength ?? 0;
  }
  return size;
}
