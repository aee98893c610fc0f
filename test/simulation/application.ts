import type { Socket } from "../../src/session/socket";
import { TWO_ENDED } from "../../src/session/session-requests";
import type { SimNode } from "./sim-node";
import type { World } from "./world";

/** Packets 1…n pushed by the application, and which of them it was told are on their way. */
interface Pushes {
  next: number;
  readonly confirmed: Set<number>;
}

/** The application on every node: it echoes, and pushes numbered messages. */
export class Application {
  readonly #world: World;
  readonly #pushes = new Map<string, Pushes>();
  /** When a session's owner last had a pong, by session and node. */
  readonly #ponged = new Map<string, number>();
  readonly #handled = new Set<string>();
  /** How often sessions were adopted. */
  recovered = 0;

  constructor(world: World) {
    this.#world = world;
  }

  onConnection(node: SimNode, socket: Socket): void {
    const world = this.#world;
    world.log(`${node.id} connection ${socket.id}${socket.recovered ? " recovered" : ""}`);
    if (socket.recovered) this.recovered++;
    socket.on("message", (text: string) => {
      world.log(`${node.id} handles ${socket.id} ${text}`);
      if (world.clients.get(socket.id)?.isPoison(text) === true) {
        world.poison(node, socket.id);
        return;
      }
      this.#handles(socket.id, text);
      socket.send(`e${text}`);
    });
    socket.on("heartbeat", () => {
      this.#pong(node, socket.id);
    });
    socket.on("close", (reason: string, description?: Error) => {
      const why = description === undefined ? "" : `: ${description.message}`;
      world.log(`${node.id} close ${socket.id} ${reason}${why}`);
      if (description?.message === TWO_ENDED) world.excuses.twoEnded(socket.id);
      else if (reason === "ping timeout") this.#pingLost(node, socket);
      else if (reason === "forced close") world.excuses.closeOver(socket.id);
      else if (description?.message === "poll connection closed prematurely") world.excuses.pollLost(socket.id);
    });
    this.#push(node, socket);
  }

  /** An owner that dies, or is cut off, may have handled what another one handles again. One that leaves may not. */
  #handles(sid: string, text: string): void {
    const name = `${sid} ${text}`;
    if (this.#world.onlyDepartures && this.#handled.has(name)) this.#world.violate(`${name} is handled twice`);
    this.#handled.add(name);
  }

  /**
   * O7: an owner that is none any more, and has a ping out whose answer went to its successor, takes the answer to the successor's
   * ping for its own.
   */
  #pong(node: SimNode, sid: string): void {
    const { records, time, excuses } = this.#world;
    const name = `${sid} ${node.id}`;
    const due = (records.pinged(sid, node.id) ?? -1) > (this.#ponged.get(name) ?? -1);
    this.#ponged.set(name, time.now);
    const found = records.look(sid);
    if (due && found.kind === "found" && found.owner !== node.id) excuses.pongAstray(sid, node);
  }

  /** O12. */
  #pingLost(node: SimNode, socket: Socket): void {
    const { records, time, schedule, excuses } = this.#world;
    const waited = time.now - (records.pinged(socket.id, node.id) ?? time.now);
    if (socket.transport.name === "polling" && waited < schedule.heartbeat.pingTimeout - AT_ONCE)
      this.#world.violate(`${socket.id} ends by a ping that was recorded ${waited.toFixed(0)} ms ago`);
    excuses.pingLost(socket.id);
  }

  #push(node: SimNode, socket: Socket): void {
    const { time, schedule } = this.#world;
    const pushes = this.#pushes.get(socket.id) ?? { next: 1, confirmed: new Set<number>() };
    this.#pushes.set(socket.id, pushes);
    const push = (): void => {
      if (socket.readyState !== "open" || pushes.next > schedule.pushes) return;
      const number = pushes.next++;
      socket.send(`p${String(number)}`, () => {
        pushes.confirmed.add(number);
      });
      node.process.after(time.random() * 2000, push);
    };
    node.process.after(time.random() * 2000, push);
  }

  /** Pushes that it was told are on their way to the session. */
  confirmed(sid: string): ReadonlySet<number> {
    return this.#pushes.get(sid)?.confirmed ?? NONE;
  }
}

/** Longest way of a commit and its answer, in virtual milliseconds. */
const AT_ONCE = 10;
const NONE: ReadonlySet<number> = new Set();
