import { decodePayload } from "../protocol/codec4";
import type { Clock } from "../time/clock";
import type { Socket } from "./socket";

/** Runs the handlers for the packets of one POST, until one ends the session. */
export function handlePayload(socket: Socket | undefined, body: string, clock: Clock): void {
  if (socket === undefined) return;
  try {
    for (const packet of decodePayload(body)) {
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
