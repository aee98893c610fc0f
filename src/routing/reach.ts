import type { Links } from "../bus/links";
import type { Isolation } from "../ownership/isolation";
import type { Membership } from "../ownership/membership";
import { RequestKind, type Answer } from "../session/answers";
import type { NodeId } from "../store/port";
import type { GivenUp } from "./given-up";
import type { WaitingConnection } from "./held";
import type { Holder } from "./holder";
import type { LostNodes } from "./lost-nodes";
import { answerFrame, notMine } from "./messages";
import type { OwnersReach } from "./owned-sessions";
import type { OwnerCache } from "./owner-cache";

/** No client's POST has such a name. */
const PASSED_ON = "~pong";
/** Its client was answered here. */
const NOBODY: WaitingConnection = { answer: nothing, abandon: nothing };

function nothing(): void {
  // Nobody waits for it.
}

export interface ReachParts {
  readonly id: NodeId;
  readonly holder: Holder;
  readonly links: Links;
  readonly membership: Membership;
  readonly isolation: Isolation;
  readonly cache: OwnerCache;
  readonly givenUp: GivenUp;
  readonly lostNodes: LostNodes;
  readonly pollGrace: number;
}

/** What the sessions of a node reach of the cluster: the holders of their requests, here and elsewhere, and who lives. */
export class Reach implements OwnersReach {
  readonly #id: NodeId;
  readonly #holder: Holder;
  readonly #links: Links;
  readonly #membership: Membership;
  readonly #isolation: Isolation;
  readonly #cache: OwnerCache;
  readonly #givenUp: GivenUp;
  readonly #lostNodes: LostNodes;
  readonly #pollGrace: number;

  constructor(parts: ReachParts) {
    this.#id = parts.id;
    this.#holder = parts.holder;
    this.#links = parts.links;
    this.#membership = parts.membership;
    this.#isolation = parts.isolation;
    this.#cache = parts.cache;
    this.#givenUp = parts.givenUp;
    this.#lostNodes = parts.lostNodes;
    this.#pollGrace = parts.pollGrace;
  }

  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void {
    if (holder === this.#id) this.#holder.onAnswer(kind, sid, t, answer);
    else this.#links.send(holder, answerFrame(kind, sid, t, answer));
  }

  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void {
    if (holder === this.#id) this.#holder.onNotMine(this.#id, kind, sid, t);
    else this.#links.send(holder, notMine(kind, sid, t));
  }

  passPong(sid: string): void {
    this.#holder.hold({ kind: RequestKind.Post, sid, t: PASSED_ON, body: "3", revision: 0 }, NOBODY);
  }

  get inDoubt(): boolean {
    return !this.#links.connected || this.#membership.lapsed;
  }

  get wasDeaf(): boolean {
    if (this.#lostNodes.some) return true;
    // Those who joined a moment ago are in no list of leases yet.
    const alone = this.#membership.alone && !this.#links.speaks;
    if (alone) return false;
    // One that has a lease and was never heard is as silent as one that is heard no longer.
    for (const node of this.#membership.others) if (this.#links.lastHeard(node) === undefined) return true;
    // Who was given the poll meanwhile could not look for its owner.
    if (this.#membership.storeWasAway(this.#pollGrace)) return true;
    return this.#links.wasDeaf(this.#pollGrace);
  }

  mayHold(node: NodeId): boolean {
    return this.#membership.mayHold(node);
  }

  movedTo(sid: string, owner: NodeId): void {
    this.#cache.set(sid, owner);
  }

  arrived(sid: string): void {
    this.#cache.delete(sid);
  }

  gaveUp(sid: string): boolean {
    if (this.#isolation.withdrawn) this.#givenUp.add(sid);
    return this.#isolation.withdrawn;
  }
}
