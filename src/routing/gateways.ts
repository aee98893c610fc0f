import type { Frame } from "../bus/frame";
import type { NodeId } from "../store/port";
import { Gateway, GOING_AWAY, type GatewayGroup, type GatewayNode, type HeldWebSocket } from "./gateway";
import { DO_NOT_COMPRESS, MessageKind, relayFrame } from "./messages";
import { Waiting } from "./waiting";

/** So many websockets are read on at once whose owner is free again, and the next so many milliseconds later. */
const RESUMED_AT_ONCE = 16;
const RESUME_PAUSE = 1;

/** The websockets that this node holds for sessions of other nodes. */
export class Gateways implements GatewayGroup {
  readonly node: GatewayNode;
  readonly waiting = new Waiting<Gateway>();
  readonly #byName = new Map<string, Gateway>();
  /** Owners for whom some more are read on in a moment. */
  readonly #resuming = new Set<NodeId>();
  #names = 0;

  constructor(node: GatewayNode) {
    this.node = node;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Whether a websocket of this session is here. */
  has(sid: string): boolean {
    for (const gateway of this.#byName.values()) if (gateway.sid === sid) return true;
    return false;
  }

  open(sid: string, websocket: HeldWebSocket): void {
    const name = `w${String(++this.#names)}`;
    const gateway = new Gateway(this, sid, name, websocket);
    this.#byName.set(name, gateway);
    gateway.restart();
  }

  onFrame(from: NodeId, frame: Frame): void {
    const [name = "", behind = ""] = frame.t.split(".");
    const gateway = this.#byName.get(name);
    if (gateway === undefined) {
      // It closed while this was under way, or the owner has not heard.
      if (frame.kind !== MessageKind.RelayClose)
        this.node.send(from, relayFrame(MessageKind.RelayGone, frame.sid, name, 0));
      return;
    }
    switch (frame.kind) {
      case MessageKind.RelayOut:
        gateway.onOut(from, frame.n, frame.body, behind !== DO_NOT_COMPRESS);
        return;
      case MessageKind.RelayAck:
        gateway.onAck(from, frame.n);
        return;
      case MessageKind.RelayClose:
        if (from === gateway.owner) gateway.onOwnerClose(frame.n);
        return;
      case MessageKind.RelayNotMine:
        gateway.onNotMine(from, behind);
    }
  }

  onTrouble(owner: NodeId): void {
    for (const gateway of [...this.#byName.values()]) if (gateway.owner === owner) gateway.onTrouble();
  }

  closeAll(): void {
    for (const gateway of [...this.#byName.values()]) gateway.close(GOING_AWAY);
  }

  /** Closes so many, since this node leaves; those whose clients are about to go over to them later. */
  closeSome(count: number): void {
    const closable = [...this.#byName.values()].filter((gateway) => !gateway.isAwaited);
    for (const gateway of closable.slice(0, count)) gateway.close(GOING_AWAY);
  }

  /** The way to the owner is free. Some at a time: what they say comes later than they are read on. */
  onUncongested(owner: NodeId): void {
    const isCongested = (): boolean => this.node.isCongested(owner);
    this.waiting.serve(owner, isCongested, resumeIfMay, RESUMED_AT_ONCE);
    if (this.#resuming.has(owner) || !this.waiting.has(owner) || isCongested()) return;
    this.#resuming.add(owner);
    this.node.clock.afterUnref(RESUME_PAUSE, () => {
      this.#resuming.delete(owner);
      this.onUncongested(owner);
    });
  }

  forget(gateway: Gateway): void {
    if (gateway.owner !== undefined) this.waiting.remove(gateway.owner, gateway);
    this.#byName.delete(gateway.name);
  }
}

function resumeIfMay(gateway: Gateway): void {
  gateway.resumeIfMay();
}
