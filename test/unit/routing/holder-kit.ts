import { RequestKind, type Answer } from "../../../src/session/answers";
import type { Held, WaitingConnection } from "../../../src/routing/held";
import { Holder, type HolderNode, type Whereabouts } from "../../../src/routing/holder";
import type { NodeId } from "../../../src/store/port";
import { HandClock } from "../../helpers/hand-clock";

export const TIMES = { postDeadline: 5000, giveUpAfter: 15_000 };

export const at = (node: NodeId): Whereabouts => ({ kind: "at", node });
export const HERE: Whereabouts = { kind: "here" };
export const AWAY: Whereabouts = { kind: "away" };

interface Search {
  readonly sid: string;
  readonly doubted: readonly NodeId[];
  readonly found: (where: Whereabouts) => void;
}

/** The node of a holder: searches and questions are collected, and answered by hand. */
export class HolderWorld implements HolderNode {
  readonly id = "me";
  readonly clock = new HandClock();
  /** As behind a standstill, where it is not 0. */
  pause = 0;
  readonly holder = new Holder(this, TIMES);
  /** What `guess` says, by session. */
  readonly guesses = new Map<string, Whereabouts>();
  /** Searches that are not answered yet. */
  readonly searches: Search[] = [];
  /** `node kind sid t`, for each question put to somebody. */
  readonly asked: string[] = [];
  readonly hints: string[] = [];
  readonly repeats: string[] = [];
  /** Sessions that are here. */
  readonly own = new Set<string>();
  /** No frame is as long as what is asked. */
  tooLong = false;

  guess(sid: string): Whereabouts | undefined {
    return this.guesses.get(sid);
  }

  find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts> {
    return new Promise((found) => this.searches.push({ sid, doubted, found }));
  }

  askHere(held: Held): boolean {
    if (!this.own.has(held.sid)) return false;
    this.ask(this.id, held);
    return true;
  }

  ask(node: NodeId, held: Held): boolean {
    this.asked.push(`${node} ${held.kind === RequestKind.Get ? "GET" : "POST"} ${held.sid} ${held.t}`);
    return node === this.id || !this.tooLong;
  }

  hintGone(node: NodeId, held: Held): void {
    this.hints.push(`${node} ${held.sid} ${held.t}`);
  }

  /** Nodes that say nothing. */
  readonly silent = new Set<NodeId>();

  isSilent(node: NodeId): boolean {
    return this.silent.has(node);
  }

  /** Nodes that no more is to be said to than must be. */
  readonly congested = new Set<NodeId>();

  isCongested(node: NodeId): boolean {
    return this.congested.has(node);
  }

  countRepeat(why: string): void {
    this.repeats.push(why);
  }

  poll(t: string, sid = "s"): TestConnection {
    return new TestConnection(this.holder, RequestKind.Get, sid, t);
  }

  post(key: string, sid = "s"): TestConnection {
    return new TestConnection(this.holder, RequestKind.Post, sid, key);
  }

  /** Answers the oldest search. */
  async found(where: Whereabouts): Promise<void> {
    const search = this.searches.shift();
    if (search === undefined) throw new Error("nothing is searched");
    search.found(where);
    await this.promises();
  }

  /** Lets promises that are settled be seen. */
  async promises(): Promise<void> {
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }

  /** What was asked since the last look. */
  questions(): string[] {
    return this.asked.splice(0);
  }
}

/** A connection that waits, and what became of it. */
export class TestConnection implements WaitingConnection {
  readonly held: Held;
  readonly answers: Answer[] = [];
  abandoned = 0;
  readonly #holder: Holder;

  constructor(holder: Holder, kind: RequestKind, sid: string, t: string) {
    this.#holder = holder;
    this.held = holder.hold({ kind, sid, t, body: kind === RequestKind.Get ? "" : "4x", revision: 4 }, this);
  }

  answer(answer: Answer): void {
    this.answers.push(answer);
  }

  abandon(): void {
    this.abandoned++;
  }

  break(): void {
    this.#holder.release(this.held, this);
  }
}
