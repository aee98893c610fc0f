import type { Held, WaitingConnection } from "../../src/routing/held";
import { behindStandstill } from "../../src/routing/standstill";
import { postKey } from "../../src/server/post-key";
import { AnswerCode, RequestKind, type Answer } from "../../src/session/answers";
import type { SimNode } from "./sim-node";
import type { World } from "./world";

/** One attempt at one node. */
interface Attempt {
  readonly node: SimNode;
  readonly since: number;
  readonly connection: WaitingConnection;
  readonly ended: () => void;
  readonly impatient: () => void;
  /** It was answered, given up, or ended with its node. */
  over: boolean;
  /** Its connection is closed, as the node knows. */
  broken: boolean;
  held?: Held | undefined;
}

/** Longest way to a node or back, in virtual milliseconds. */
const DELAY = 2;
/** A front notices within this time that a node has died. */
const NOTICED = 20;
const LAST_MOMENT = 50;
/** A request that was answered 503 is sent again after this time. */
const RETRY_AFTER = 1000;
/**
 * A connection that broke is replaced within this time. With the second repeat of a poll after 1200 ms, that is within
 * `pollGrace`, also where the bus loses the first of the two messages.
 */
const BREAK = 600;
/** The balancer's patience with a node that stands still, where it has any end. */
const PATIENCE = 3000;

/**
 * One request of a client, on its way through the balancer: it goes to some node, and to another one when that one dies under
 * it, stands still for long, or now and then for no good reason while the first still works on it. The first answer
 * counts.
 */
export class BalancedRequest {
  readonly kind: RequestKind;
  readonly sid: string;
  readonly t: string;
  readonly #world: World;
  readonly #body: string;
  readonly #done: (answer: Answer) => void;
  readonly #attempts: Attempt[] = [];
  over = false;

  constructor(world: World, kind: RequestKind, sid: string, body: string, done: (answer: Answer) => void) {
    this.#world = world;
    this.kind = kind;
    this.sid = sid;
    this.t = world.nextT();
    this.#body = body;
    this.#done = done;
    this.#attempt();
    const { time, schedule } = world;
    if (time.random() < schedule.rates.retry) time.schedule(time.random() * 50, this.#retry);
    if (time.random() < schedule.rates.breaks) time.schedule(time.random() * 500, this.#break);
  }

  /** The nodes where it is open. */
  get nodes(): SimNode[] {
    return this.#attempts.filter(({ over }) => !over).map(({ node }) => node);
  }

  /** Since when it waits at the node; undefined where it does not. */
  waitsSince(node: SimNode): number | undefined {
    return this.#attempts.find((attempt) => attempt.node === node && !attempt.over)?.since;
  }

  /** The nodes that it was sent to, now or before. */
  get tried(): SimNode[] {
    return this.#attempts.map(({ node }) => node);
  }

  readonly #retry = (): void => {
    const first = this.#attempts[0];
    if (this.over || first === undefined) return;
    this.#attempt(first.node);
    // nginx breaks the first connection when it moves on.
    if (this.#world.time.random() < 0.5) this.#leave(first);
  };

  readonly #break = (): void => {
    const first = this.#attempts[0];
    if (this.over || first === undefined || first.over) return;
    this.#world.log(`the balancer loses ${this.t}`);
    this.#leave(first);
    this.#again(this.#world.time.random() * BREAK);
  };

  #again(ms: number): void {
    this.#world.time.schedule(ms, () => {
      if (this.nodes.length === 0) this.#attempt();
    });
  }

  #attempt(except?: SimNode): void {
    if (this.over) return;
    const { time } = this.#world;
    const node = this.#world.pick(except) ?? this.#world.pick();
    if (node === undefined) {
      this.#again(50);
      return;
    }
    const ended = () => {
      this.#ended(attempt);
    };
    const answer = (answer: Answer) => {
      this.#answered(attempt, answer);
    };
    const connection = { answer, abandon: ended };
    const impatient = () => {
      this.#waitFor(attempt);
    };
    const what = `${this.sid} ${this.kind === RequestKind.Post ? "POST" : "GET"} ${this.t}`;
    this.#world.log(`${what} goes to ${node.id}${node.process.paused ? ", which stands still" : ""}`);
    const attempt: Attempt = { node, since: time.now, connection, ended, impatient, over: false, broken: false };
    this.#attempts.push(attempt);
    node.onDeath.add(ended);
    node.onPause.add(impatient);
    if (node.process.paused) impatient();
    time.schedule(time.random() * DELAY, () => {
      node.process.deliver(() => {
        this.#arrive(attempt);
      });
    });
  }

  /**
   * As `Exchange` does it; H6 and I3 included. The wait is the same code. What a connection's end and an answer are is not: there they
   * are HTTP's, and objects of the runtime would have to be made for each request of a history.
   */
  #arrive(attempt: Attempt): void {
    const pause = attempt.node.node?.pause ?? 0;
    if (pause === 0) this.#hold(attempt);
    else {
      behindStandstill(attempt.node.process, pause, () => {
        if (!attempt.broken) this.#hold(attempt);
      });
    }
  }

  #hold(attempt: Attempt): void {
    const { kind, sid, t } = this;
    const body = this.#body;
    const { node } = attempt.node;
    // L4: one that has left breaks off what comes late.
    if (node === undefined || node.withdrawn) {
      attempt.ended();
      return;
    }
    const asked = { kind, sid, t: kind === RequestKind.Post ? postKey(t, body) : t, body, revision: 4 };
    attempt.held = node.hold(asked, attempt.connection);
    // The end of a connection lies behind what came by it.
    if (attempt.broken) this.#release(attempt);
  }

  #release({ node, held, connection }: Attempt): void {
    if (held !== undefined) node.node?.release(held, connection);
  }

  /** The node stands still: some balancers give it up after a while, others wait for as long as it takes. */
  #waitFor(attempt: Attempt): void {
    const { time } = this.#world;
    if (attempt.over || time.random() < 0.5) return;
    time.schedule(time.random() * PATIENCE, () => {
      if (attempt.over || !attempt.node.process.paused) return;
      this.#world.log(`the balancer gives up ${this.t} at ${attempt.node.id}`);
      this.#leave(attempt);
      this.#again(time.random() * 20);
    });
  }

  #answered(attempt: Attempt, answer: Answer): void {
    const { time } = this.#world;
    if (attempt.over) return;
    time.schedule(time.random() * DELAY, () => {
      // The node may have died with the answer still in its socket's buffer; then the request was sent again.
      if (attempt.over || this.over) return;
      attempt.over = true;
      if (answer.code === AnswerCode.Unavailable) {
        this.#world.excuses.unavailable(this.t);
        this.#again(RETRY_AFTER);
        return;
      }
      this.over = true;
      for (const other of this.#attempts) this.#leave(other);
      this.#done(answer);
    });
  }

  /** The connection broke under it. */
  #ended(attempt: Attempt): void {
    if (attempt.over) return;
    attempt.over = true;
    attempt.broken = true;
    const { time, onlyDepartures } = this.#world;
    // One that came in the very last moment may find nobody.
    if (!attempt.node.alive && onlyDepartures && time.now - attempt.since > LAST_MOMENT)
      this.#world.violate(`${this.t} breaks with ${attempt.node.id}, which left`);
    this.#again(this.#world.time.random() * NOTICED);
  }

  /** Closes the connection of an attempt. */
  #leave(attempt: Attempt): void {
    const { node } = attempt;
    node.onDeath.delete(attempt.ended);
    node.onPause.delete(attempt.impatient);
    if (attempt.over) return;
    attempt.over = true;
    node.process.deliver(() => {
      attempt.broken = true;
      this.#release(attempt);
    });
  }

  /** The client is gone. */
  abandon(): void {
    this.over = true;
    for (const attempt of this.#attempts) this.#leave(attempt);
  }
}
