import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Which of the two is not heard any more: what the client says, what the server says, or either. */
export type Silenced = "client" | "server" | "both";

/** Stands between a client and its server, so that a test can cut, delay or silence the way between the two. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #ways = new Set<Way>();
  #cut = false;
  #delayMs = 0;
  #silenced: Silenced | undefined;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => {
      if (this.#cut) client.destroy();
      else this.#join(client, connect(targetPort, "127.0.0.1"));
    });
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpProxy(server, targetPort);
  }

  /** Breaks all connections and lets no new one through, until `heal`. */
  cut(): void {
    this.#cut = true;
    for (const way of this.#ways) way.destroy();
  }

  /** What is said in either direction arrives so much later. */
  delay(ms: number): void {
    this.#delayMs = ms;
    this.#setDelays();
  }

  /**
   * Connections stay, new ones are taken, what is said is acknowledged by the kernel, and nothing arrives: as with a network that
   * loses everything, a server that stands still, or a firewall that has forgotten the connection. With "client" only what
   * the client says does not arrive, with "server" only what the server says. Until `heal`, which lets it all arrive, late, in the
   * order in which it was said, and the ends of connections too that were closed meanwhile.
   */
  silence(who: Silenced = "both"): void {
    this.#silenced = who;
    this.#setDelays();
  }

  /** Ends whatever is wrong with it. */
  heal(): void {
    this.#cut = false;
    this.#silenced = undefined;
    this.delay(0);
  }

  async stop(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #setDelays(): void {
    for (const way of this.#ways) this.#setDelay(way);
  }

  #setDelay(way: Way): void {
    const silent = this.#silenced === "both" || this.#silenced === way.speaker;
    way.delayMs = silent ? Infinity : this.#delayMs;
  }

  #join(client: Socket, upstream: Socket): void {
    const both = [new Way("client", client, upstream), new Way("server", upstream, client)];
    for (const way of both) {
      this.#setDelay(way);
      this.#ways.add(way);
      way.from.once("close", () => {
        this.#ways.delete(way);
        way.destroy();
      });
    }
  }
}

interface Piece {
  readonly since: number;
  /** Nothing: the end. */
  readonly bytes: Buffer | undefined;
}

/** What is read here and not delivered yet is not read beyond: the sender's own limits shall work. */
const MOST_PIECES = 1_000;

/** One direction of a connection. */
class Way {
  readonly speaker: "client" | "server";
  readonly from: Socket;
  readonly #to: Socket;
  readonly #pieces: Piece[] = [];
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(speaker: Way["speaker"], from: Socket, to: Socket) {
    this.speaker = speaker;
    this.from = from;
    this.#to = to;
    from.setNoDelay(true);
    from.on("error", () => from.destroy());
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => this.#take(undefined));
    to.on("drain", () => this.#readOn());
  }

  set delayMs(ms: number) {
    this.#delayMs = ms;
    this.#deliver();
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#pieces.length = 0;
    this.from.destroy();
    this.#to.destroy();
  }

  #take(bytes: Buffer | undefined): void {
    this.#pieces.push({ since: performance.now(), bytes });
    if (this.#pieces.length > MOST_PIECES) this.from.pause();
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      const wait = piece.since + this.#delayMs - performance.now();
      if (wait > 0) {
        if (wait !== Infinity) this.#timer = setTimeout(() => this.#deliver(), wait);
        return;
      }
      this.#pieces.shift();
      if (this.#to.destroyed) continue;
      if (piece.bytes === undefined) this.#to.end();
      else if (!this.#to.write(piece.bytes)) this.from.pause();
    }
    this.#readOn();
  }

  #readOn(): void {
    if (this.#pieces.length <= MOST_PIECES && !this.#to.writableNeedDrain) this.from.resume();
  }
}
