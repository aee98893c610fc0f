import type { Revision, TransportName } from "../protocol/names";
import type { ClusterNode } from "../routing/cluster-node";
import { MAX_SID_CHARS } from "../routing/search";
import type { OwnedSession } from "../session/owned-session";
import type { EngineRequest } from "../transports/request";
import { Place, type Overload } from "./admission";
import type { Engine } from "./engine";

/** What a handshake has become. */
export type Opened =
  | { readonly kind: "ok"; readonly session: OwnedSession; readonly place: Place }
  | { readonly kind: "no id"; readonly error: unknown }
  /** The store is away, or a limit is met. */
  | { readonly kind: "away"; readonly why?: Overload }
  /** This node is cut off, and others are not. */
  | { readonly kind: "withdrawn" };

/** A new session's request, with what its record keeps of it. */
export interface Opening {
  readonly request: EngineRequest;
  readonly remoteAddress: string;
  readonly handshake: string;
  readonly protocol: Revision;
  readonly transport: TransportName;
}

const ID_TRIES = 3;

/** Opens the records of new sessions, each under an id that is free. */
export class Openings {
  readonly #engine: Engine;
  /** Ids whose records are being opened. */
  readonly #opening = new Set<string>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** O11. `node` is undefined until this process has joined its cluster. */
  async open(node: ClusterNode | undefined, opening: Opening): Promise<Opened> {
    if (node === undefined) return { kind: "away" };
    if (node.withdrawn) return { kind: "withdrawn" };
    const { admission, load } = this.#engine;
    const why = admission.takeRequest();
    if (why !== undefined) return { kind: "away", why };
    const place = admission.enter(opening.request);
    let opened: Opened | undefined;
    try {
      if (!(place instanceof Place)) return { kind: "away", why: place };
      opened = await this.#open(node, opening, place);
      return opened;
    } finally {
      load.requests--;
      if (opened?.kind !== "ok" && place instanceof Place) place.leave();
    }
  }

  async #open(node: ClusterNode, opening: Opening, place: Place): Promise<Opened> {
    let error: unknown = new Error("the session ids generated were taken");
    for (let i = 0; i < ID_TRIES; i++) {
      let id: string;
      try {
        id = await this.#engine.generateId(opening.request);
      } catch (thrown) {
        return { kind: "no id", error: thrown };
      }
      if (id.length > MAX_SID_CHARS || id === "") {
        error = new RangeError(`a session id has 1 to ${String(MAX_SID_CHARS)} characters`);
        continue;
      }
      if (node.has(id) || this.#opening.has(id)) continue;
      this.#opening.add(id);
      const { handshake, protocol, transport } = opening;
      const result = await node.open(id, handshake, protocol, transport);
      this.#opening.delete(id);
      if (result.kind === "away") return node.withdrawn ? { kind: "withdrawn" } : result;
      if (result.kind === "ok") return { kind: "ok", session: node.own(id, handshake, protocol, transport), place };
    }
    return { kind: "no id", error };
  }
}
