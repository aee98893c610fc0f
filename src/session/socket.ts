import type { IncomingMessage } from "node:http";
import type { Revision } from "../protocol/names";
import type { Packet, PacketOptions, PacketType, RawData } from "../protocol/packet";
import type { Transport, TransportError } from "../transports/transport";
import { BufferLimitError } from "./buffer-limit-error";
import { coerce, sizeOf } from "./data";
import type { Journal } from "./journal";
import { SocketFace } from "./socket-face";
import type { BufferLimit, SendCallback, SocketHost, SocketOptions } from "./socket-parts";
import { next, State, stateNamed, STATE_NAMES, type ReadyState, type StateEvent } from "./states";

export type { BufferLimit, SendCallback, SocketHost, SocketOptions };

/**
 * One Engine.IO session, at the node that owns it.
 *
 * Events: `open`, `data(data)` and `message(data)`, `packet(packet)`, `packetCreate(packet)`, `flush(packets)`,
 * `drain`, `heartbeat`, `error(Error)`, `close(reason, description)`.
 *
 * Reasons of `close`: "transport close", "transport error", "ping timeout", "parse error", "forced close", and in a
 * cluster "taken over": the session lives on at another node, its client has not left.
 */
export class Socket extends SocketFace {
  /** The session id: public to the session's client, a secret towards everybody else. */
  readonly id: string;
  readonly server: SocketHost;
  /**
   * The handshake's request. After an adoption it is a `RebuiltRequest`, of the record: url, method, headers, `_query`,
   * `connection`.
   */
  readonly request: IncomingMessage;
  readonly remoteAddress: string;
  readonly protocol: Revision;
  /** True where the session was adopted from a node that died or left, and its `connection` is not a new client. */
  readonly recovered: boolean;
  transport: Transport;
  upgrading = false;
  upgraded = false;
  /** Packets that no transport has taken yet. Readable in the `close` listener, empty a tick later. */
  writeBuffer: Packet[] = [];

  readonly #bufferLimit: BufferLimit | undefined;
  /** Units of data in the write buffer. */
  #bufferedSize = 0;
  #data: unknown;
  /** Whether `data` was ever looked at: from then on any turn may have changed it. */
  #dataTouched = false;
  /** Whether the time-out of the ping that is out was started anew already. */
  #heardSincePing = false;
  #state: State = State.Opening;
  #journal: Journal | undefined;
  /** Callbacks of `writeBuffer`'s packets, by position; shorter than the buffer where the newest have none. */
  #callbacks: (SendCallback | undefined)[] = [];
  /** Callbacks of packets that a transport took, a list for each take. */
  #taken: (readonly (SendCallback | undefined)[])[] = [];

  constructor(options: SocketOptions) {
    super();
    this.id = options.id;
    this.server = options.server;
    this.transport = options.transport;
    this.request = options.request;
    this.remoteAddress = options.remoteAddress;
    this.protocol = options.protocol;
    this.recovered = options.recovered ?? false;
    this.#data = options.data;
    this.#bufferLimit = options.bufferLimit;
  }

  /**
   * Anything that JSON can hold; kept in the session's record, and there again after an adoption. In a cluster written
   * with the session's next turn; a value that cannot be written closes the session with an error that says why.
   */
  get data(): unknown {
    this.#dataTouched = true;
    return this.#data;
  }

  set data(value: unknown) {
    this.#dataTouched = true;
    this.#data = value;
    this.flush();
  }

  get readyState(): ReadyState {
    return STATE_NAMES[this.#state];
  }

  /** Changes what the socket thinks of itself, and nothing else: nobody is told. */
  set readyState(name: ReadyState) {
    this.#state = stateNamed(name) ?? this.#state;
  }

  /** Callbacks of the packets that wait: to look at. */
  get packetsFn(): SendCallback[] {
    return this.#callbacks.filter((callback) => callback !== undefined);
  }

  /** Callbacks of the packets that a transport has taken, a list for each time that it took some: to look at. */
  get sentCallbackFn(): (SendCallback[] | null)[] {
    return this.#taken.map((callbacks) => {
      const given = callbacks.filter((callback) => callback !== undefined);
      return given.length === 0 ? null : given;
    });
  }

  /** Whether the time-out of the ping that is out was started anew, because the client was heard. */
  get hasRefreshedPingTimeout(): boolean {
    return this.#heardSincePing;
  }

  set hasRefreshedPingTimeout(refreshed: boolean) {
    this.#heardSincePing = refreshed;
  }

  /** Number of packets that wait for a transport. */
  get buffered(): number {
    return this.writeBuffer.length;
  }

  /** @internal */
  get journal(): Journal | undefined {
    return this.#journal;
  }

  /** @internal The journal is set once, right after construction, by whoever wires the session. */
  useJournal(journal: Journal): void {
    this.#journal = journal;
  }

  /** @internal Goes over to another transport: what is buffered leaves by it. */
  useTransport(transport: Transport, journal: Journal): void {
    this.transport = transport;
    transport.sid = this.id;
    this.#journal = journal;
    this.onUpgraded();
  }

  /** @internal The transport is another one now. */
  onUpgraded(): void {
    this.upgraded = true;
    this.upgrading = false;
    this.emit("upgrade", this.transport);
    this.flush();
    if (this.#state === State.Closing) this.#journal?.close(false);
  }

  /** @internal Starts a new session: the open packet and the initial packet wait for the handshake's answer. */
  onOpen(): void {
    this.#become("opened");
    const { pingInterval, pingTimeout, maxHttpBufferSize, initialPacket, compat } = this.server.opts;
    this.transport.sid = this.id;
    const opening = {
      sid: this.id,
      upgrades: this.getAvailableUpgrades(),
      pingInterval,
      pingTimeout,
      // engine.io 3 did not say it.
      ...(compat === 3 && this.protocol === 3 ? {} : { maxPayload: maxHttpBufferSize }),
    };
    this.sendPacket("open", JSON.stringify(opening));
    if (initialPacket !== undefined) this.sendPacket("message", initialPacket);
    this.emit("open");
    this.#startHeartbeat();
  }

  #startHeartbeat(): void {
    if (this.protocol === 3) this.setPingTimeout();
    else this.schedulePing();
  }

  /** @internal Goes on with a session that another node opened. `closing`: its close waits for a poll to carry it. */
  onAdopted(waiting: Packet[], closing: boolean, spread: number): void {
    this.#become("opened");
    this.transport.sid = this.id;
    this.writeBuffer = waiting;
    if (closing) this.#become("close asked");
    else if (this.protocol === 3) this.#startHeartbeat();
    else this.server.heartbeat.soon(this, spread);
  }

  /** Sends a message. `callback` is called when it is on its way, never after the session's close or takeover. */
  send(data?: unknown, options?: PacketOptions | SendCallback | null, callback?: SendCallback): this {
    if (typeof options === "function") return this.#write(data, undefined, options);
    return this.#write(data, options ?? undefined, callback);
  }

  /** The same as `send`. */
  write(data?: unknown, options?: PacketOptions | SendCallback | null, callback?: SendCallback): this {
    return this.send(data, options, callback);
  }

  #write(data: unknown, options: PacketOptions | undefined, callback: SendCallback | undefined): this {
    this.sendPacket("message", coerce(data), options, callback);
    return this;
  }

  /** Sends a packet of any type. Dropped silently while closing and when closed, as in engine.io. */
  sendPacket(
    type: Exclude<PacketType, "error">,
    data?: RawData | null,
    options?: PacketOptions | SendCallback | null,
    callback?: SendCallback,
  ): void {
    if (typeof options === "function") {
      this.sendPacket(type, data, undefined, options);
      return;
    }
    if (this.#state === State.Closing || this.#state === State.Closed) return;
    // Broadcasts share one options object between sockets: nothing is attached to it.
    const compress = options?.compress !== false;
    const frame = options?.wsPreEncodedFrame;
    const packet: Packet = {
      type,
      options: frame === undefined ? { compress } : { compress, wsPreEncodedFrame: frame },
    };
    if (data !== undefined && data !== null) packet.data = data;
    this.emit("packetCreate", packet);
    this.writeBuffer.push(packet);
    if (callback !== undefined) this.#callbacks[this.writeBuffer.length - 1] = callback;
    this.flush();
    if (this.#bufferLimit !== undefined) this.#checkBuffer(this.#bufferLimit, data);
  }

  #checkBuffer(limit: BufferLimit, data: RawData | null | undefined): void {
    // Whatever was taken meanwhile took all.
    if (this.writeBuffer.length === 0) return;
    this.#bufferedSize += sizeOf(data ?? undefined);
    if (this.writeBuffer.length <= limit.packets && this.#bufferedSize <= limit.size) return;
    const what = `${String(this.writeBuffer.length)} packets, ${String(this.#bufferedSize)} units`;
    this.onError(new BufferLimitError(what));
  }

  /** Gives what is buffered to the transport, if it can take it. */
  flush(): void {
    this.#journal?.flush();
  }

  /** Closes the session: what is buffered is delivered first, or with `discard` lost. */
  close(discard = false): void {
    if (discard && (this.#state === State.Open || this.#state === State.Closing)) {
      this.#journal?.close(true);
      return;
    }
    if (this.#state !== State.Open) return;
    this.#become("close asked");
    this.#journal?.close(false);
  }

  /** @internal JSON of `data`; undefined where it cannot have changed, or cannot be written (the session ends then). */
  dataToStore(maxChars: number): string | undefined {
    if (!this.#dataTouched || this.#state === State.Closed) return undefined;
    try {
      // JSON has no undefined, whatever its type says.
      const json = (JSON.stringify(this.#data) as string | undefined) ?? "";
      if (json.length <= maxChars) return json;
      throw new RangeError(`socket.data is ${String(json.length)} characters as JSON, ${String(maxChars)} are allowed`);
    } catch (error) {
      this.#dataTouched = false;
      this.onError(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  /** @internal The buffer leaves for a transport: listeners see it, then it is the caller's. */
  takeBuffer(): Packet[] {
    this.emit("flush", this.writeBuffer);
    this.server.emit("flush", this, this.writeBuffer);
    const packets = this.writeBuffer;
    if (packets.length === 0) return packets;
    this.writeBuffer = [];
    this.#bufferedSize = 0;
    if (this.#callbacks.length === 0) this.#taken.push(NO_CALLBACKS);
    else {
      this.#taken.push(this.#callbacks);
      this.#callbacks = [];
    }
    return packets;
  }

  /** @internal Callbacks of the oldest packets taken: these are on their way. */
  runCallbacks(): void {
    const callbacks = this.#taken.shift();
    if (callbacks === undefined) return;
    for (const callback of callbacks) callback?.(this.transport);
  }

  /** @internal What was taken is on its way. */
  drained(): void {
    this.emit("drain");
    this.server.emit("drain", this);
  }

  /** Takes a packet from the client. */
  onPacket(packet: Packet): void {
    if (this.#state !== State.Open) return;
    this.emit("packet", packet);
    this.#heard(packet.type);
    switch (packet.type) {
      case "message":
        // Without data for an empty message, as engine.io does: Socket.IO's decoder takes "" for a CONNECT.
        this.emit("data", packet.data);
        this.emit("message", packet.data);
        return;
      case "pong":
        if (this.protocol === 3) {
          this.onError(new Error("invalid heartbeat direction"));
          return;
        }
        this.schedulePing();
        this.emit("heartbeat");
        return;
      case "ping":
        if (this.protocol === 4) {
          this.onError(new Error("invalid heartbeat direction"));
          return;
        }
        this.setPingTimeout();
        this.sendPacket("pong");
        this.emit("heartbeat");
        return;
      case "error":
        this.onClose("parse error");
        return;
      case "close":
      case "open":
      case "upgrade":
      case "noop":
      // Of no meaning here, and harmless: polling has heard a close before, and a websocket's client closes the websocket.
    }
  }

  /** A client that is busy sending may be late with its pong: once for each ping it gets the time-out anew. */
  #heard(type: PacketType): void {
    const { heartbeat, opts } = this.server;
    if (this.protocol === 3) {
      // A client's pings come apart from each other; in engine.io 3 whatever it says counts as one.
      if (opts.compat === 3) this.setPingTimeout();
      return;
    }
    if (type === "pong" || this.#heardSincePing || !heartbeat.isAwaiting(this)) return;
    this.#heardSincePing = true;
    this.resetPingTimeout();
  }

  onError(error: Error | TransportError): void {
    this.onClose("transport error", error);
  }

  /** The session is over. Emits `close`, once. */
  onClose(reason: string, description?: unknown): void {
    if (this.#state === State.Closed) return;
    this.#become("ended");
    this.server.heartbeat.forget(this);
    this.#callbacks = [];
    this.#taken = [];
    this.#journal?.ended(reason);
    // The buffer stays readable in the listeners of `close`; that is documented behaviour of engine.io.
    process.nextTick(() => {
      this.writeBuffer = [];
    });
    this.emit("close", reason, description);
  }

  onPingDue(): void {
    if (this.#state === State.Closed) return;
    this.#heardSincePing = false;
    this.resetPingTimeout();
    // Not sent while closing; a client that does not come for its close is waited for no longer than others.
    this.sendPacket("ping");
  }

  onPingTimeout(): void {
    if (this.#state !== State.Closed) this.#journal?.timedOut();
  }

  #become(event: StateEvent): void {
    this.#state = next(this.#state, event);
  }
}

const NO_CALLBACKS: readonly undefined[] = [];
