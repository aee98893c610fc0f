import type { Encoding } from "../protocol/encoding";
import { fromStored } from "../protocol/stored";
import type { Clock } from "../time/clock";
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
    clock.defer(() => {
      throw error;
    });
  }
}

/** Sends what another node of the cluster says: JSON of a list of stored packets, or of "close". */
export function sendStored(socket: Socket, body: string): void {
  const said = JSON.parse(body) as readonly string[] | "close";
  if (said === "close") {
    socket.close();
    return;
  }
  for (const stored of said) {
    const { data, options } = fromStored(stored);
    socket.sendPacket("message", data, options);
  }
}
