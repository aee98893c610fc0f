import { ErrorCode } from "../errors";
import { DirectJournal } from "../session/direct-journal";
import { Socket } from "../session/socket";
import type { Revision } from "../protocol/names";
import type { Clock } from "../time/clock";
import { Polling } from "../transports/polling";
import type { EngineRequest } from "../transports/request";
import type { Engine } from "./engine";
import type { Refuse, SessionHost } from "./host";
import type { KnownTransport } from "./verify";

/** Sessions of one process, without a cluster: no store, no turns, everything inside the call. */
export class LocalHost implements SessionHost {
  readonly clients: Record<string, Socket> = Object.create(null) as Record<string, Socket>;
  readonly #engine: Engine;
  readonly #clock: Clock;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  readonly known: KnownTransport = (sid) => this.clients[sid]?.transport.name ?? "unknown";

  handshake(request: EngineRequest, protocol: Revision, refuse: Refuse): void {
    void this.#open(request, protocol, refuse);
  }

  async #open(request: EngineRequest, protocol: Revision, refuse: Refuse): Promise<void> {
    let id: string;
    try {
      id = await this.#engine.generateId(request);
    } catch (error) {
      refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error } });
      return;
    }
    const { maxHttpBufferSize } = this.#engine.opts;
    const transport = new Polling(protocol, { clock: this.#clock, maxHttpBufferSize });
    transport.on("headers", this.#engine.onHeaders);
    const remoteAddress = request.socket.remoteAddress ?? "";
    const socket = new Socket({ id, server: this.#engine, transport, request, remoteAddress, protocol });
    socket.useJournal(new DirectJournal(socket));
    socket.onOpen();
    this.clients[id] = socket;
    // First of all listeners: the application finds the session gone from `clients` in its own.
    socket.once("close", () => {
      Reflect.deleteProperty(this.clients, id);
    });
    transport.onRequest(request);
    this.#engine.emit("connection", socket);
  }

  request(request: EngineRequest, refuse: Refuse): void {
    const sid = request._query["sid"] ?? "";
    const socket = this.clients[sid];
    if (socket === undefined) refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid } });
    else socket.transport.onRequest(request);
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  drain(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    for (const socket of Object.values(this.clients)) socket.close(true);
    return Promise.resolve();
  }
}
