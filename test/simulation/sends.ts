import type { SimNode } from "./sim-node";
import type { World } from "./world";

/** What nodes have sent to one session. */
interface Sent {
  /** Of each node, the number of its last message. */
  readonly numbers: Map<string, number>;
  /** Messages whose sender was told that they are taken, and that there is no such session. */
  readonly taken: Set<string>;
  readonly refused: Set<string>;
  left: number;
}

/** Longest time between two sends to a session, in virtual milliseconds. */
const PAUSE = 1500;
/** A close that was not carried out is asked for again after this time. */
const CLOSE_AGAIN = 3000;

/** What any node says to sessions of the others: `engine.cluster.send` and `close` (O13), and the closing of sessions (O8). */
export class Sends {
  readonly #world: World;
  readonly #sessions = new Map<string, Sent>();
  readonly #closing = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  #of(sid: string): Sent {
    let sent = this.#sessions.get(sid);
    if (sent === undefined) {
      sent = { numbers: new Map(), taken: new Set(), refused: new Set(), left: this.#world.schedule.sends };
      this.#sessions.set(sid, sent);
    }
    return sent;
  }

  /** A client has connected: from now on it is sent something now and then, up to three messages at once. */
  begin(sid: string): void {
    const { time } = this.#world;
    time.schedule(time.random() * PAUSE, () => {
      const sent = this.#of(sid);
      if (sent.left <= 0 || this.#closing.has(sid)) return;
      const count = Math.min(sent.left, 1 + Math.floor(time.random() * 3));
      sent.left -= count;
      const node = this.#world.pick();
      if (node !== undefined) this.#say(node, sid, count, time.random() < 0.5);
      this.begin(sid);
    });
  }

  /** `apart`: in several batches, of which the second waits for the first. */
  #say(node: SimNode, sid: string, count: number, apart: boolean): void {
    for (let i = 0; i < count; i++) {
      const say = (): void => {
        this.send(node, sid);
      };
      if (apart)
        this.#world.time.schedule(i, () => {
          node.process.deliver(say);
        });
      else node.process.deliver(say);
    }
  }

  /** Sends the session the node's next message, and gives its text. */
  send(node: SimNode, sid: string): string {
    const { numbers, taken, refused } = this.#of(sid);
    const number = (numbers.get(node.id) ?? 0) + 1;
    numbers.set(node.id, number);
    const text = `x${node.id}.${String(number)}`;
    this.#world.log(`${node.id} sends ${sid} ${text}`);
    node.node?.sends.send(sid, text, undefined).then(
      (isTaken) => {
        (isTaken ? taken : refused).add(text);
      },
      () => {
        // A node that ends answers its own with that, and does not know either.
        if (node.leavesSince === undefined) this.#world.excuses.unavailable(`${text} to ${sid}`);
      },
    );
    return text;
  }

  /** Messages of which a sender was told that they are taken. */
  taken(sid: string): ReadonlySet<string> {
    return this.#sessions.get(sid)?.taken ?? NONE;
  }

  /** Messages of which a sender was told that there is no such session. */
  refused(sid: string): ReadonlySet<string> {
    return this.#sessions.get(sid)?.refused ?? NONE;
  }

  // ---- sessions that are closed ----

  /** Whether the application has closed the session. */
  isClosing(sid: string): boolean {
    return this.#closing.has(sid);
  }

  /** Closes the session, and again where that came to nothing, until `done`. */
  close(sid: string, from: "owner" | "anywhere", done: () => boolean): void {
    const world = this.#world;
    if (done()) return;
    this.#closing.add(sid);
    const found = world.records.look(sid);
    const owner = world.nodes.find(({ id, alive }) => found.kind === "found" && found.owner === id && alive);
    const node = from === "owner" ? owner : world.pick();
    node?.process.deliver(() => {
      world.log(`${node.id} closes ${sid}`);
      if (from === "owner") node.host.clients[sid]?.close();
      else {
        // The close goes behind it.
        this.send(node, sid);
        node.node?.sends.close(sid).catch(() => undefined);
      }
    });
    world.time.schedule(CLOSE_AGAIN, () => {
      this.close(sid, from, done);
    });
  }
}

const NONE: ReadonlySet<string> = new Set();
