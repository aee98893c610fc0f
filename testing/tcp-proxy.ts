import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Stands between a client and its server, so that a test can cut, delay or silence the way between the two. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #ways = new Set<Way>();
  #cut = false;
  #delayMs = 0;

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
    for (const way of this.#ways) way.delayMs = ms;
  }

  /** Connections stay and nothing passes, as when a network loses everything: until `heal`, which lets it all arrive. */
  silence(): void {
    this.delay(Infinity);
  }

  /** Ends whatever is wrong with it. */
  heal(): void {
    this.#cut = false;
    this.delay(0);
  }

  async stop(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket, upstream: Socket): void {
    const both = [new Way(client, upstream), new Way(upstream, client)];
    for (const way of both) {
      way.delayMs = this.#delayMs;
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
  readonly from: Socket;
  readonly #to: Socket;
  readonly #pieces: Piece[] = [];
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket) {
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
