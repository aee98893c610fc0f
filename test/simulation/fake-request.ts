import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import type { EngineRequest } from "../../src/transports/request";

export function fakeRequest(): EngineRequest {
  return Object.assign(new IncomingMessage(new NetSocket()), {
    _query: Object.create(null) as Record<string, string>,
    res: null,
  });
}
