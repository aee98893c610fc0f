import { sidOf, type Client, type ClientListener } from "./client";
import type { Connections, ResponseListener } from "./http";

const SEPARATOR = "\x1e";
const OPEN_PATH = "/engine.io/?EIO=4&transport=polling&t=";

/** Names requests as stock clients do: eight characters, another one each time. */
let named = 0;
const run = Math.floor(Math.random() * 36 ** 3)
  .toString(36)
  .padStart(3, "0");
function nextT(): string {
  return run + (named++).toString(36).padStart(5, "0");
}

/** A handshake by polling; resolves with the session's id. */
export function handshake(connections: Connections): Promise<string> {
  return new Promise((resolve, reject) => {
    connections.get(OPEN_PATH + nextT(), {
      onResponse(status, body) {
        if (status === 200) resolve(sidOf(body));
        else reject(new Error(`handshake: ${status} ${body}`));
      },
      onBroken(reason) {
        reject(new Error(`handshake: ${reason}`));
      },
    });
  });
}

/** A polling session as stock clients keep it: one GET is always parked, and one POST at most is under way. */
export class PollingClient implements Client {
  readonly #listener: ClientListener;
  readonly #targets: readonly Connections[];
  readonly #roaming: boolean;
  readonly #sid: string;
  #at: number;
  #posting = false;
  /** Packets that wait for the POST under way. */
  #waiting: string[] = [];
  #over = false;

  constructor(listener: ClientListener, targets: readonly Connections[], roaming: boolean, at: number, sid: string) {
    this.#listener = listener;
    this.#targets = targets;
    this.#roaming = roaming;
    this.#at = at;
    this.#sid = sid;
  }

  static async open(
    index: number,
    listener: ClientListener,
    targets: readonly Connections[],
    roaming: boolean,
  ): Promise<PollingClient> {
    const at = index % targets.length;
    const client = new PollingClient(listener, targets, roaming, at, await handshake(target(targets, at)));
    client.#poll();
    return client;
  }

  get busy(): boolean {
    return this.#posting;
  }

  send(text: string): void {
    this.#write(`4${text}`);
  }

  close(): void {
    if (this.#over) return;
    this.#write("1");
    this.#over = true;
  }

  /** Where the next request goes: round the ports, or where the session was opened. */
  #next(): Connections {
    if (this.#roaming) this.#at = (this.#at + 1) % this.#targets.length;
    return target(this.#targets, this.#at);
  }

  #path(): string {
    return `${OPEN_PATH}${nextT()}&sid=${this.#sid}`;
  }

  #poll(): void {
    this.#next().get(this.#path(), this.#onPoll);
  }

  #write(packet: string): void {
    if (this.#posting) this.#waiting.push(packet);
    else {
      this.#posting = true;
      this.#next().post(this.#path(), packet, this.#onPost);
    }
  }

  // One listener of each kind for all requests of the session: no closure per request.

  readonly #onPoll: ResponseListener = {
    onResponse: (status, body) => {
      if (this.#over) return;
      if (status !== 200) {
        this.#fail(`poll: ${status} ${body}`);
        return;
      }
      if (body.includes(SEPARATOR)) for (const packet of body.split(SEPARATOR)) this.#receive(packet);
      else this.#receive(body);
      if (!this.#isOver()) this.#poll();
    },
    onBroken: (reason) => {
      this.#fail(`poll: ${reason}`);
    },
  };

  readonly #onPost: ResponseListener = {
    onResponse: (status, body) => {
      this.#posting = false;
      if (status !== 200 || body !== "ok") {
        this.#fail(`POST: ${status} ${body}`);
      } else if (this.#waiting.length > 0) {
        const packets = this.#waiting.join(SEPARATOR);
        this.#waiting = [];
        this.#write(packets);
      } else if (!this.#over) {
        this.#listener.onReady();
      }
    },
    onBroken: (reason) => {
      this.#fail(`POST: ${reason}`);
    },
  };

  #receive(packet: string): void {
    switch (packet[0]) {
      case "4":
        this.#listener.onMessage(packet.slice(1));
        return;
      case "2":
        this.#write("3");
        return;
      case "6":
        return;
      default:
        this.#fail(`a packet that was not expected: ${packet}`);
    }
  }

  /** Not a property to the compiler: a listener may have ended the session meanwhile. */
  #isOver(): boolean {
    return this.#over;
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.onFailure(reason);
  }
}

export function target(targets: readonly Connections[], at: number): Connections {
  const found = targets[at];
  if (found === undefined) throw new RangeError(`there is no target ${at}`);
  return found;
}
