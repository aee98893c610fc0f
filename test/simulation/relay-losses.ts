import { readFrames, type Frame } from "../../src/bus/frame";
import { MessageCodec } from "../../src/bus/message";
import { MessageKind } from "../../src/routing/messages";
import type { NodeId } from "../../src/store/port";

const OF_RELAYS: ReadonlySet<number> = new Set([
  MessageKind.RelayIn,
  MessageKind.RelayOut,
  MessageKind.RelayNotMine,
  MessageKind.RelayGone,
]);

/**
 * Loses messages of websockets between a gateway and an owner, until the one that has the client's "upgrade" arrives: so far
 * whatever is lost is to be mended (U1 to U4), and no websocket closes of it. Behind it a loss may be noticed when the upgrade is
 * recorded (U5).
 */
export class RelayLosses {
  readonly #rate: number;
  readonly #random: () => number;
  #left = MOST;
  /** Pairs of nodes between which an upgrade was asked for, and those where it came. */
  readonly #asked = new Set<string>();
  readonly #came = new Set<string>();

  constructor(rate: number, random: () => number) {
    this.#rate = rate;
    this.#random = random;
  }

  /** Whether the message is lost. */
  loses(from: NodeId, to: NodeId, bytes: Uint8Array): boolean {
    if (this.#rate === 0) return false;
    const pair = [from, to].sort().join(" ");
    if (this.#came.has(pair)) return false;
    const frames = framesOf(to, bytes).filter(({ kind }) => OF_RELAYS.has(kind));
    const asks = frames.some(({ kind, body }) => kind === MessageKind.RelayIn && body === UPGRADE);
    const may = asks || (frames.length > 0 && !this.#asked.has(pair));
    if (asks) this.#asked.add(pair);
    if (may && this.#left > 0 && this.#random() < this.#rate) {
      this.#left--;
      return true;
    }
    if (asks) this.#came.add(pair);
    return false;
  }
}

/** So many messages are lost in a history at most: an upgrade has ten seconds. */
const MOST = 6;
/** What the client says when it goes over. */
const UPGRADE = "5";

function framesOf(to: NodeId, bytes: Uint8Array): readonly Frame[] {
  const message = new MessageCodec(to, []).read(bytes);
  if (typeof message === "string" || message.beat) return [];
  return readFrames(message.payload) ?? [];
}
