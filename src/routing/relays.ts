import type { Frame } from "../bus/frame";
import type { OwnedSession } from "../session/owned-session";
import type { NodeId } from "../store/port";
import type { Tick, TickWork } from "../time/tick";
import { RelayedTransport, type RelayPipe } from "../transports/relayed";
import { ASKS_FOR_RELEASE, CLOSED_BY_GATEWAY, DO_NOT_COMPRESS, MessageKind, relayFrame } from "./messages";
import { saidEvery } from "./under-way";
import { Waiting } from "./waiting";

/** What the owner's side of relays needs of its node. */
export interface RelayNode {
  readonly tick: Tick;
  /** Bytes that may be under way to a gateway's websocket. */
  readonly relayLimit: number;
  session(sid: string): OwnedSession | undefined;
  send(node: NodeId, frame: Frame): void;
  /** Whether what can wait is not to be said to the node now. `Relays.onUncongested` follows, or the node's death or a loss. */
  isCongested(node: NodeId): boolean;
}

/** How far messages were handled is said at least once in so many: the gateway keeps a number for each until then. */
const ACK_EVERY = 64;

/** A session's websocket that a gateway holds, at the owner. */
class Relay implements RelayPipe, TickWork {
  readonly gateway: NodeId;
  readonly sid: string;
  /** The websocket's name at its gateway. */
  readonly name: string;
  readonly transport: RelayedTransport;
  readonly #relays: Relays;
  /** The try that the newest message came by. */
  tried = "0";
  /** Number of the next message from the client. */
  nextIn = 0;
  /** The upgrade is recorded and said so: from now on nothing may be missing. */
  acked = false;
  #nextOut = 0;
  #pong = false;
  #ackDue = false;
  /** Units of the client's messages that were handled since it was last said so. */
  #unsaid = 0;

  constructor(relays: Relays, gateway: NodeId, { sid, t }: Frame, session: OwnedSession) {
    const [name = "", , asks] = t.split(".");
    this.#relays = relays;
    this.gateway = gateway;
    this.sid = sid;
    this.name = name;
    this.transport = new RelayedTransport(session.protocol, this, relays.node.relayLimit, asks === ASKS_FOR_RELEASE);
  }

  /** U3: only the next message counts. */
  onMessage(n: number, body: string | Uint8Array): void {
    if (n > this.nextIn) return;
    if (n < this.nextIn) {
      // The gateway starts again, because an answer may be lost.
      if (this.acked) this.#ack();
      else if (this.#pong && n === 0) this.#out(MessageKind.RelayOut, 0, "3probe");
      return;
    }
    this.nextIn++;
    this.transport.onMessage(body);
    if (!this.acked) return;
    this.#unsaid += body.length;
    if (this.#unsaid >= saidEvery(this.#relays.node.relayLimit) || this.nextIn % ACK_EVERY === 0) this.#ack();
  }

  /** U2: the record has the new transport. Before anything else goes out. */
  accept(): void {
    if (this.transport.readyState === "closed") {
      // Its gateway was taken for dead, or something was lost, while this was recorded: the session ends. A gateway that lives, and
      // was told of the ack and no more, kept its client at a websocket that nobody spoke to.
      this.#out(MessageKind.RelayClose, 0);
      return;
    }
    this.acked = true;
    this.#nextOut = 0;
    this.#out(MessageKind.RelayAck, this.nextIn);
  }

  /** Asked by who has something to say: it waits then, behind the others. */
  get congested(): boolean {
    const congested = this.#relays.node.isCongested(this.gateway);
    if (congested) this.#relays.waiting.add(this.gateway, this);
    return congested;
  }

  send(message: string | Buffer, compress: boolean): void {
    // Before the ack there is but the pong, which is not numbered: it may be said again.
    if (!this.acked) this.#pong = true;
    const n = this.acked ? this.#nextOut++ : 0;
    const t = compress ? this.name : `${this.name}.${DO_NOT_COMPRESS}`;
    this.#relays.node.send(this.gateway, relayFrame(MessageKind.RelayOut, this.sid, t, n, message));
  }

  close(code = 0): void {
    this.#relays.forget(this);
    this.#out(MessageKind.RelayClose, code);
  }

  leave(): void {
    this.#relays.forget(this);
    this.#relays.node.send(
      this.gateway,
      relayFrame(MessageKind.RelayNotMine, this.sid, `${this.name}.${this.tried}`, 0),
    );
  }

  /** How far the client's messages have been handled, once per tick. */
  #ack(): void {
    if (this.#ackDue) return;
    this.#ackDue = true;
    this.#relays.node.tick.turn(this);
  }

  run(): void {
    this.#ackDue = false;
    this.#unsaid = 0;
    if (this.transport.readyState === "open") this.#out(MessageKind.RelayAck, this.nextIn);
  }

  #out(kind: number, n: number, body: string | Buffer = ""): void {
    this.#relays.node.send(this.gateway, relayFrame(kind, this.sid, this.name, n, body));
  }
}

/**
 * The owner's side of websockets that other nodes hold (docs/protocol.md, U1 to U6): the one upgrade machine runs here, over
 * a transport whose messages come and go in numbered frames.
 */
export class Relays {
  readonly node: RelayNode;
  /** Those that have more to say than the way to their gateway takes. Acks, answers to probes and closes do not wait. */
  readonly waiting = new Waiting<Relay>();
  readonly #byGateway = new Map<NodeId, Map<string, Relay>>();

  constructor(node: RelayNode) {
    this.node = node;
  }

  get size(): number {
    let size = 0;
    for (const relays of this.#byGateway.values()) size += relays.size;
    return size;
  }

  /** From here on it is the owner's to close: a second one at once, one whose upgrade is not completed in time then. */
  onOpen(from: NodeId, frame: Frame): void {
    this.#relay(from, frame);
  }

  onMessage(from: NodeId, frame: Frame): void {
    this.#relay(from, frame)?.onMessage(frame.n, frame.body);
  }

  #relay(from: NodeId, frame: Frame): Relay | undefined {
    const [name = "", tried = "0"] = frame.t.split(".");
    const relay = this.#byGateway.get(from)?.get(name) ?? this.#open(from, frame, name);
    if (relay !== undefined) relay.tried = tried;
    return relay;
  }

  #open(from: NodeId, frame: Frame, name: string): Relay | undefined {
    const { sid } = frame;
    const session = this.node.session(sid);
    // A later message of a websocket that is not known here: its first ones were lost, or it was given up and its gateway
    // has not heard. Before the ack the gateway starts again, after it the websocket ends (U4, U5).
    if (session === undefined || frame.n > 0) {
      this.node.send(from, relayFrame(MessageKind.RelayNotMine, sid, frame.t, 0));
      return undefined;
    }
    const relay = new Relay(this, from, frame, session);
    const accept = (): void => {
      relay.accept();
    };
    const begun = session.upgradeTo(relay.transport, accept, from);
    if (!begun) {
      this.node.send(from, relayFrame(MessageKind.RelayClose, sid, name, 0));
      return undefined;
    }
    const relays = this.#byGateway.get(from) ?? new Map<string, Relay>();
    this.#byGateway.set(from, relays.set(name, relay));
    return relay;
  }

  onGone(from: NodeId, frame: Frame): void {
    const relay = this.#byGateway.get(from)?.get(frame.t);
    if (relay === undefined) return;
    if (frame.n === CLOSED_BY_GATEWAY && !relay.acked) this.node.session(frame.sid)?.gatewayEnded(from);
    this.forget(relay);
    relay.transport.onClose();
  }

  onCredit(from: NodeId, frame: Frame): void {
    const relay = this.#byGateway.get(from)?.get(frame.t);
    if (relay?.acked === true) relay.transport.onWritten(frame.n);
    else relay?.transport.emit("release");
  }

  /** U5: something was lost on the way to or from the gateway. What is recorded as a websocket must not have a gap. */
  onLoss(gateway: NodeId): void {
    for (const relay of [...(this.#byGateway.get(gateway)?.values() ?? [])]) {
      if (!relay.acked) continue;
      relay.close();
      relay.transport.onClose();
    }
  }

  /** The gateway is dead, and its websockets with it. */
  onGatewayDead(gateway: NodeId): void {
    for (const relay of [...(this.#byGateway.get(gateway)?.values() ?? [])]) {
      this.forget(relay);
      relay.transport.onClose();
    }
  }

  /** The way to the gateway is free. */
  onUncongested(gateway: NodeId): void {
    const isCongested = (): boolean => this.node.isCongested(gateway);
    this.waiting.serve(gateway, isCongested, (relay) => {
      relay.transport.resume();
    });
  }

  forget(relay: Relay): void {
    this.waiting.remove(relay.gateway, relay);
    const relays = this.#byGateway.get(relay.gateway);
    if (relays?.get(relay.name) === relay) relays.delete(relay.name);
    if (relays?.size === 0) this.#byGateway.delete(relay.gateway);
  }
}
