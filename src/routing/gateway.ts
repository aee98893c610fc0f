import type { Frame } from "../bus/frame";
import { encodingOf, type Encoding } from "../protocol/encoding";
import type { Revision } from "../protocol/names";
import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import type { Tick, TickWork } from "../time/tick";
import { FIRST_RELEASE, GOES_OVER_WITHIN, RELEASE_INTERVAL } from "../session/upgrade";
import type { WebSocketLike } from "../transports/websocket";
import type { Whereabouts } from "./holder";
import { ASKS_FOR_RELEASE, CLOSED_BY_GATEWAY, MessageKind, relayFrame } from "./messages";
import { searchPause, Strangers } from "./search-patience";
import { saidEvery, UnderWay } from "./under-way";
import type { Waiting } from "./waiting";

/** What gateways need of their node. */
export interface GatewayNode {
  readonly clock: Clock;
  readonly tick: Tick;
  /** Units of what a client sent that may be under way to the owner. */
  readonly relayLimit: number;
  /** Takes notice of a client that is not read on, since so much is under way. */
  countPause(): void;
  find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts>;
  readonly id: NodeId;
  isDead(node: NodeId): boolean;
  send(node: NodeId, frame: Frame): void;
  /** Whether what can wait is not to be said to the node now. `Gateways.onUncongested` follows, or the node's death or a loss. */
  isCongested(node: NodeId): boolean;
}

/** Going away: the session's node is gone, and with it what was under way. */
export const GOING_AWAY = 1001;

/** A websocket in this node's hands, and what its request says of it. */
export interface HeldWebSocket {
  readonly websocket: WebSocketLike;
  readonly protocol: Revision;
  /** Whether its client takes no binary data: its own request says so, and not the session's handshake. */
  readonly base64: boolean;
  /** Messages below this size are not compressed; undefined where none is. */
  readonly compressFrom: number | undefined;
}

/** What a gateway needs of the others of its node. */
export interface GatewayGroup {
  readonly node: GatewayNode;
  /** Those that are not read on, since the way to their owner is full. */
  readonly waiting: Waiting<Gateway>;
  /** It is over. */
  forget(gateway: Gateway): void;
}

/**
 * One websocket of a session that another node owns: a pipe that numbers what the client says, and keeps it until the
 * owner says that the upgrade is recorded. From then on a gap cannot be mended, and ends the websocket.
 */
export class Gateway implements TickWork {
  readonly sid: string;
  readonly name: string;
  readonly #gateways: GatewayGroup;
  readonly #websocket: WebSocketLike;
  readonly #compressFrom: number | undefined;
  /** How the owner's binary messages are read, and written for a client that takes only text. */
  readonly #asText: { readonly from: Encoding; readonly to: Encoding } | undefined;
  /** Undefined while it is looked for. */
  owner: NodeId | undefined;
  /** Who was asked last. */
  #asked: NodeId | undefined;
  #try = 0;
  #acked = false;
  /** When the client was given the answer to its probe, until it has said more: it polls no more, and has not gone over (U7). */
  #probedAt: number | undefined;
  #over = false;
  /** All messages so far, until the ack. */
  #kept: (string | Buffer)[] = [];
  readonly #underWay = new UnderWay();
  #paused = false;
  #count = 0;
  #nextOut = 0;
  #written = 0;
  #said = 0;
  #creditDue = false;
  #misses = 0;
  /** Who was found and said that the session is not its own. */
  readonly #strangers = new Strangers();
  #searching = false;

  constructor(
    gateways: GatewayGroup,
    sid: string,
    name: string,
    { websocket, protocol, base64, compressFrom }: HeldWebSocket,
  ) {
    this.#gateways = gateways;
    this.sid = sid;
    this.name = name;
    this.#websocket = websocket;
    this.#compressFrom = compressFrom;
    if (base64) this.#asText = { from: encodingOf(protocol, false), to: encodingOf(protocol, true) };
    websocket.on("message", this.#onMessage);
    websocket.on("close", this.#onClose);
    websocket.on("error", ignore);
  }

  readonly #onMessage = (data: Buffer, isBinary: boolean): void => {
    if (this.#over) return;
    const body = isBinary ? data : data.toString("utf8");
    const n = this.#count++;
    // One that probes again waits still.
    if (body !== PROBE) this.#probedAt = undefined;
    if (!this.#acked) this.#kept.push(body);
    this.#underWay.add(body.length);
    // The client is not read on until the owner has handled what it said: memory is bounded here and there.
    if (this.#underWay.size > this.#gateways.node.relayLimit && !this.#paused) {
      this.#pause();
      this.#gateways.node.countPause();
    }
    if (this.owner !== undefined) this.#in(n, body);
    if (this.#isHeldUp && !this.#paused) this.#pause();
  };

  #pause(): void {
    this.#paused = true;
    this.#websocket.pause?.();
  }

  /**
   * Whether all websockets together have said more than the way to the owner takes: it waits then, behind the others. Not before the
   * upgrade is recorded: its client has not much to say until then, and another may be the owner.
   */
  get #isHeldUp(): boolean {
    const { owner } = this;
    if (owner === undefined || !this.#acked || !this.#gateways.node.isCongested(owner)) return false;
    this.#gateways.waiting.add(owner, this);
    return true;
  }

  /** Reads on, if nothing is in its way any more. */
  resumeIfMay(): void {
    if (!this.#paused || this.#underWay.size > this.#gateways.node.relayLimit / 2 || this.#isHeldUp) return;
    this.#paused = false;
    this.#websocket.resume?.();
  }

  readonly #onClose = (): void => {
    if (this.#over) return;
    this.#end();
    this.#tell(MessageKind.RelayGone, 0);
  };

  /** U4: whoever owns the session now gets all messages, from the first. */
  restart(): void {
    this.owner = undefined;
    if (this.#over || this.#searching) return;
    this.#searching = true;
    const pause = searchPause(this.#misses);
    if (this.#misses++ === 0) this.#search();
    else this.#gateways.node.clock.after(pause, this.#search);
  }

  readonly #search = (): void => {
    if (this.#over || this.#acked) return;
    const { node } = this.#gateways;
    const { doubted } = this.#strangers;
    // Losses say nothing against the owner: claimed from while it lives, what it has in hand would be handled twice.
    void node.find(this.sid, doubted === undefined ? [] : [doubted]).then((found) => {
      this.#searching = false;
      if (this.#over || this.#acked) return;
      if (found.kind === "here") this.#ask(node.id);
      else if (found.kind === "at") this.#ask(found.node);
      else if (found.kind === "away" && this.#misses < MOST_MISSES) this.restart();
      else this.close(GOING_AWAY);
    });
  };

  #ask(owner: NodeId): void {
    this.owner = owner;
    this.#asked = owner;
    this.#try++;
    // The owner hears of a websocket whose client says nothing too, or nobody would ever close that: one that came second, or never
    // completed its upgrade, stayed open for as long as its client liked.
    this.#gateways.node.send(owner, relayFrame(MessageKind.RelayOpen, this.sid, this.#tried, 0));
    this.#kept.forEach((body, n) => {
      this.#in(n, body);
    });
  }

  #in(n: number, body: string | Buffer): void {
    if (this.owner === undefined) return;
    this.#gateways.node.send(this.owner, relayFrame(MessageKind.RelayIn, this.sid, this.#tried, n, body));
  }

  /** The websocket's name, the number of the try, and what else the owner is to know of it. */
  get #tried(): string {
    return `${this.name}.${String(this.#try)}.${ASKS_FOR_RELEASE}`;
  }

  onAck(from: NodeId, handled: number): void {
    if (this.owner === undefined && from === this.#asked && !this.#gateways.node.isDead(from))
      this.#goOn(from, handled);
    if (from !== this.owner) return;
    this.#acked = true;
    this.#kept = [];
    this.#underWay.handled(handled);
    this.resumeIfMay();
  }

  /**
   * U4: the node that was asked last has recorded the upgrade, and what comes behind its ack counts. Dropped, since the owner was
   * looked for, pings and messages were missed by nobody until the next one came, which waited for the answer to the ping.
   */
  #goOn(owner: NodeId, handled: number): void {
    this.owner = owner;
    this.#kept.slice(handled).forEach((body, i) => {
      this.#in(handled + i, body);
    });
  }

  onOut(from: NodeId, n: number, body: string | Uint8Array, mayCompress: boolean): void {
    if (from !== this.owner) return;
    // U5: after the ack nothing may be missing. Before it there is but the pong, which is not numbered: anything else says that
    // the ack is lost, and perhaps more with it.
    if (this.#acked ? n !== this.#nextOut++ : body !== PONG) {
      this.close(GOING_AWAY);
      return;
    }
    if (!this.#acked && this.#probedAt === undefined && this.#kept.every((said) => said === PROBE)) {
      this.#probedAt = this.#gateways.node.clock.now();
      this.#gateways.node.clock.afterUnref(FIRST_RELEASE, this.#askRelease);
    }
    const size = body.length;
    const message = typeof body === "string" ? body : this.#binary(body);
    const compress =
      mayCompress && this.#compressFrom !== undefined && Buffer.byteLength(message) >= this.#compressFrom;
    this.#websocket.send(message, { compress }, () => {
      this.#written += size;
      if (this.#written - this.#said >= saidEvery(this.#gateways.node.relayLimit)) this.#credit();
    });
  }

  /**
   * U7: the client waits for the answer to its poll before it goes over. The owner lets that go when it is asked to, and so not where
   * this node is dead and it does not know that yet.
   */
  readonly #askRelease = (): void => {
    if (this.#over || this.#acked || this.#probedAt === undefined) return;
    this.#tell(MessageKind.RelayCredit, this.#written);
    this.#gateways.node.clock.afterUnref(RELEASE_INTERVAL, this.#askRelease);
  };

  /** A copy: the bytes are part of a larger message of the bus, which would be kept for as long as the client does not read. */
  #binary(body: Uint8Array): string | Buffer {
    const message = Buffer.from(body);
    return this.#asText === undefined
      ? message
      : this.#asText.to.encodeMessage(this.#asText.from.decodeMessage(message));
  }

  /** The owner learns once per tick how much the runtime has taken. */
  #credit(): void {
    if (this.#creditDue || this.#over) return;
    this.#creditDue = true;
    this.#gateways.node.tick.turn(this);
  }

  run(): void {
    this.#creditDue = false;
    this.#said = this.#written;
    this.#tell(MessageKind.RelayCredit, this.#written);
  }

  onNotMine(from: NodeId, tried: string): void {
    if (from !== this.owner || tried !== String(this.#try)) return;
    this.#strangers.met(from);
    if (this.#acked) this.close(GOING_AWAY);
    else this.restart();
  }

  /** The owner is dead, or something was lost on the way to or from it. */
  onTrouble(): void {
    if (this.#acked) this.close(GOING_AWAY);
    else this.restart();
  }

  /**
   * Whether its client has stopped polling for this websocket and not gone over yet: were it closed now, the session would end
   * (U7). Not for longer than a client takes that is there.
   */
  get isAwaited(): boolean {
    return this.#probedAt !== undefined && this.#gateways.node.clock.now() - this.#probedAt < GOES_OVER_WITHIN;
  }

  /** Closes the websocket; the owner, if it lives, is told. */
  close(code: number): void {
    if (this.#over) return;
    // A client whose probe was not answered polls on, and one that has said more notices by itself.
    this.#tell(MessageKind.RelayGone, this.#probedAt === undefined ? 0 : CLOSED_BY_GATEWAY);
    this.#end();
    this.#websocket.close(code);
  }

  /** The owner has closed it; with a code, or 0. */
  onOwnerClose(code: number): void {
    if (this.#over) return;
    this.#end();
    this.#websocket.close(code === 0 ? undefined : code);
  }

  #end(): void {
    this.#over = true;
    this.#kept = [];
    // A paused websocket would never see its close.
    if (this.#paused) this.#websocket.resume?.();
    this.#gateways.forget(this);
  }

  /** To the owner, or, while it is looked for, to who was asked last: that may be it still. */
  #tell(kind: number, n: number): void {
    const to = this.owner ?? this.#asked;
    if (to !== undefined) this.#gateways.node.send(to, relayFrame(kind, this.sid, this.name, n));
  }
}

/** A probe, and what it is answered, in both protocols. */
const PROBE = "2probe";
const PONG = "3probe";

/** So many times the owner is looked for in vain before the websocket is closed. */
const MOST_MISSES = 30;

function ignore(): void {
  // A close follows.
}
