import type { Encoding } from "../protocol/encoding";
import { fromStored } from "../protocol/stored";
import type { Clock } from "../time/clock";
import { throwLater } from "../time/throw-later";
import type { Socket } from "./socket";

/** Runs the handlers for the packets of one POST, until one ends the session. */
export function handlePayload(
  socket: Socket | undefined,
  encoding: Encoding,
  body: string | Uint8Array,
  clock: Clock,
): void {
  if (socket === undefined) return;
  try {
    for (const packet of encoding.decodePayload(body)) {
      if (packet.type === "close") {
        socket.onClose("transport close");
        return;
      }
      socket.onPacket(packet);
      if (socket.readyState === "closed") return;
    }
  } catch (error) {
    // A listener threw: the process is to end of it, as with engine.io, and not the delivery of other sessions' requests
    // that stand in the same message.
    throwLater(clock, error);
  }
}

/** Sends what another node of the cluster says: JSON of a list of stored packets, or of "close". What is neither is nothing. */
export function sendStored(socket: Socket, body: string): void {
  const said = parsed(body);
  if (said === "close") {
    socket.close();
    return;
  }
  if (!Array.isArray(said)) return;
  for (const stored of said as readonly unknown[]) {
    if (typeof stored !== "string") continue;
    const { data, options } = fromStored(stored);
    socket.sendPacket("message", data, options);
  }
}

/** Without a secret anybody on the bus can say anything: it must not end the process. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
