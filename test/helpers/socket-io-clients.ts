import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";

export type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/** A stock client of Socket.IO 4 that has joined its rooms anew after each connect, as applications make them do. */
export class ChatClient {
  readonly socket: Socket;
  readonly said: unknown[] = [];
  /** Reasons of its disconnects. */
  readonly disconnects: string[] = [];
  readonly refused: string[] = [];
  /** How often it has connected and joined its rooms. */
  joined = 0;

  constructor(url: string, name: string, rooms: readonly string[], options: ClientOptions = {}) {
    // Else a client waits seconds before it connects anew.
    const soon = { reconnectionDelay: 50, reconnectionDelayMax: 500 };
    this.socket = io(url, { forceNew: true, auth: { name }, ...soon, ...options });
    this.socket.on("connect", () => void this.#join(rooms));
    this.socket.on("connect_error", (error) => this.refused.push(error.message));
    this.socket.on("disconnect", (reason) => this.disconnects.push(reason));
    this.socket.on("said", (value: unknown) => this.said.push(value));
    this.socket.on("asked", (value: unknown, done: (answer: unknown) => void) => done([name, value]));
  }

  /** What this client's connection is served by: "polling" or "websocket". */
  get transport(): string {
    return this.socket.io.engine.transport.name;
  }

  /** Asks the application; fails where it does not answer. */
  ask<T>(event: string, ...values: unknown[]): Promise<T> {
    return this.socket.timeout(20_000).emitWithAck(event, ...values) as Promise<T>;
  }

  /** The process that has the state of its connection. */
  where(): Promise<number> {
    return this.ask<number>("where");
  }

  close(): void {
    this.socket.disconnect();
  }

  async #join(rooms: readonly string[]): Promise<void> {
    try {
      for (const room of rooms) await this.ask("join", room);
      this.joined++;
    } catch {
      // It was disconnected meanwhile; its next connect joins.
    }
  }
}

/** One request more, now and then: clients that each make a multiple of three would all begin at the same one of three nodes. */
export async function takeTurn(url: string): Promise<void> {
  const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { connection: "close" } });
  await response.text();
}
