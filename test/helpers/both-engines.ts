import type { EventEmitter } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { Server as StockServer } from "engine.io";
import { toBuffer, type Packet, type RawData } from "../../src/protocol/packet";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import { runtimeClock } from "../../src/time/runtime-clock";
import { http, type Reply, type RequestOptions } from "./engines";
import { until } from "./until";

/** Options that mean the same to both. */
export interface CommonOptions {
  readonly pingInterval?: number;
  readonly pingTimeout?: number;
  readonly maxHttpBufferSize?: number;
  readonly initialPacket?: string;
}

/** A session's socket, as far as this engine and the stock one share it. */
export interface Connection extends EventEmitter {
  readonly id: string;
  readonly readyState: string;
  readonly writeBuffer: readonly Packet[];
  readonly transport: EventEmitter & { readonly writable: boolean; readonly readyState: string };
  send(data?: unknown, options?: { compress?: boolean }, callback?: () => void): unknown;
  close(discard?: boolean): unknown;
}

interface CommonEngine extends EventEmitter {
  close(): unknown;
}

/** Which engine a scenario runs on. */
export type Subject = "own" | "stock";

/** One request at the server. */
export interface Seen {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * One engine on a real HTTP server, with a log of what it does in which order. The responses that it holds can be looked
 * at, so that a test sees whether one was written before a call returned.
 */
export class OneEngine {
  readonly log: string[] = [];
  readonly connections: Connection[] = [];
  /** Requests by their `t`. */
  readonly seen = new Map<string, Seen>();
  /** Called with each request, when the engine's own listener has returned. */
  onHandled: (seen: Seen, t: string) => void = () => undefined;
  readonly engine: CommonEngine;
  readonly #server = createServer();
  #requests = 0;

  private constructor(subject: Subject, options: CommonOptions) {
    // The one default that differs: clients of protocol 3 are let in here.
    const all = { allowEIO3: false, ...options, transports: ["polling" as const] };
    if (subject === "own") {
      const engine = new Engine(all, runtimeClock, (engine) => new LocalHost(engine, runtimeClock));
      engine.attach(this.#server);
      this.engine = engine;
    } else {
      const engine = new StockServer(all);
      engine.attach(this.#server);
      this.engine = engine;
    }
    this.#server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
      this.seen.set(nameOf(request), { request, response });
    });
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.onHandled({ request, response }, nameOf(request));
    });
    this.engine.on("connection", (connection: Connection) => {
      this.connections.push(connection);
      this.#watch(connection);
    });
    this.engine.on("headers", (_headers: unknown, request: IncomingMessage) => {
      this.log.push(`answer ${request.method ?? ""} ${nameOf(request)}`);
    });
    this.engine.on("flush", (_socket: unknown, packets: readonly Packet[]) =>
      this.log.push(`server flush ${showAll(packets)}`),
    );
    this.engine.on("drain", () => this.log.push("server drain"));
    this.engine.on("connection_error", ({ code, message }: { code: number; message: string }) => {
      this.log.push(`connection_error ${String(code)} ${message}`);
    });
  }

  static async start(subject: Subject, options: CommonOptions = {}): Promise<OneEngine> {
    const one = new OneEngine(subject, options);
    await new Promise<void>((resolve) => one.#server.listen(0, "127.0.0.1", resolve));
    return one;
  }

  /** Sessions by id. */
  get clients(): object {
    // The stock engine declares it protected, though everybody reads it.
    return Reflect.get(this.engine, "clients") as object;
  }

  stop(): void {
    this.engine.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #watch(connection: Connection): void {
    // A transport of the stock engine whose close finds no poll keeps the process for half a minute.
    if ("closeTimeout" in connection.transport) connection.transport.closeTimeout = 3000;
    this.log.push("connection");
    connection.on("packetCreate", (packet: Packet) => this.log.push(`packetCreate ${show(packet)}`));
    connection.on("packet", (packet: Packet) => this.log.push(`packet ${show(packet)}`));
    connection.on("message", (data: RawData | undefined) => this.log.push(`message ${textOf(data)}`));
    connection.on("data", (data: RawData | undefined) => this.log.push(`data ${textOf(data)}`));
    connection.on("flush", (packets: readonly Packet[]) => this.log.push(`flush ${showAll(packets)}`));
    connection.on("drain", () => this.log.push("drain"));
    connection.on("heartbeat", () => this.log.push("heartbeat"));
    connection.on("close", (reason: string, description?: Error) => {
      const why = description === undefined ? reason : `${reason}: ${description.message}`;
      const there = connection.id in this.clients ? "still among the clients" : "gone from the clients";
      this.log.push(`close ${why} (${connection.readyState}, ${there}, buffer ${showAll(connection.writeBuffer)})`);
    });
    connection.transport.on("close", () => this.log.push("transport close"));
  }

  url(query: string): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/engine.io/?EIO=4&transport=polling&${query}`;
  }

  async open(): Promise<Client> {
    const reply = await http(this.url("t=open"));
    const { sid } = JSON.parse(reply.body.slice(1).split("\x1e")[0] ?? "") as { sid: string };
    await until("there is a connection", () => this.connections.some(({ id }) => id === sid));
    return new Client(
      this,
      sid,
      this.connections.find(({ id }) => id === sid)!,
      reply,
    );
  }

  /** A `t` that was not used before; the same on every engine that runs the same scenario. */
  nextT(): string {
    return `t${String(++this.#requests)}`;
  }
}

/** A client in the raw, with the server's side of its session. */
export class Client {
  readonly one: OneEngine;
  readonly sid: string;
  readonly socket: Connection;
  readonly opened: Reply;

  constructor(one: OneEngine, sid: string, socket: Connection, opened: Reply) {
    this.one = one;
    this.sid = sid;
    this.socket = socket;
    this.opened = opened;
  }

  poll(t = this.one.nextT(), options: RequestOptions = {}): Promise<Reply> {
    return http(this.one.url(`sid=${this.sid}&t=${t}`), options);
  }

  /** Sends a poll and waits until it is parked. */
  async park(options: RequestOptions = {}): Promise<{ reply: Promise<Reply>; response: ServerResponse }> {
    const t = this.one.nextT();
    const reply = this.poll(t, options);
    await until("the poll is parked", () => this.socket.transport.writable);
    return { reply, response: this.one.seen.get(t)!.response };
  }

  post(body: string | Buffer, options: RequestOptions = {}): Promise<Reply> {
    const headers = { "content-type": "text/plain;charset=UTF-8", ...options.headers };
    return http(this.one.url(`sid=${this.sid}&t=${this.one.nextT()}`), { method: "POST", ...options, headers, body });
  }
}

function nameOf(request: IncomingMessage): string {
  return /[?&]t=([^&]*)/.exec(request.url ?? "")?.[1] ?? "";
}

// The stock engine hands packets around as they were given: anything may be their data.
function textOf(data: unknown): string {
  if (data === undefined) return "nothing";
  if (typeof data === "string") return data.replace(/"sid":"[^"]*"/, "");
  return ArrayBuffer.isView(data) || data instanceof ArrayBuffer
    ? `<${toBuffer(data).toString("hex")}>`
    : inspect(data);
}

function show({ type, data, options }: Packet): string {
  return `${type}${data === undefined ? "" : ` ${textOf(data)}`}${options?.compress === false ? " uncompressed" : ""}`;
}

function showAll(packets: readonly Packet[]): string {
  return `[${packets.map(show).join(", ")}]`;
}
