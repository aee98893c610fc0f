import { once } from "node:events";
import { decodePayload, encodePayload, decodePacket, encodePacket, type RawData } from "engine.io-parser";
import { WebSocket } from "ws";
import { given, stock3 } from "../unit/protocol/stock";
import type { TestEngines } from "./engines";
import { raw, type RawReply } from "./raw-http";

export type Revision = 3 | 4;
export const REVISIONS: readonly Revision[] = [3, 4];

/** What a message carries at the client. */
export type Content = string | Buffer;

/** A packet as the client reads it. */
export interface Read {
  readonly type: string;
  readonly data?: Content;
}

export interface PlainOptions {
  /** Whether requests have a `t`. Default: true. */
  readonly named?: boolean;
  /** What all of its requests have as their `t`, in place of another one for each. */
  readonly t?: string;
  /** Whether a balancer names each of its requests. Default: false. */
  readonly balanced?: boolean;
  /** Protocol 3 only: the client takes no bytes. */
  readonly base64?: boolean;
}

let requests = 0;

/**
 * A client in the raw for both protocols, which reads and writes by the stock parsers. Each of its requests goes to the
 * next node; nothing is done behind the test's back.
 */
export class PlainClient {
  readonly #engines: TestEngines;
  readonly revision: Revision;
  readonly #options: PlainOptions;
  sid = "";

  private constructor(engines: TestEngines, revision: Revision, options: PlainOptions) {
    this.#engines = engines;
    this.revision = revision;
    this.#options = options;
  }

  static async open(engines: TestEngines, revision: Revision, options: PlainOptions = {}): Promise<PlainClient> {
    const client = new PlainClient(engines, revision, options);
    const [opening] = client.read(await raw(client.url(), { headers: client.#headers() }));
    if (opening?.type !== "open" || typeof opening.data !== "string") throw new Error("no open packet");
    client.sid = (JSON.parse(opening.data) as { sid: string }).sid;
    return client;
  }

  url(transport = "polling"): string {
    const { named = true, t, base64 = false } = this.#options;
    const parts = [`EIO=${String(this.revision)}`, `transport=${transport}`];
    if (this.sid !== "") parts.push(`sid=${this.sid}`);
    if (named) parts.push(`t=${t ?? `p${String(++requests)}`}`);
    if (base64) parts.push("b64=1");
    return `${this.#engines.next()}/engine.io/?${parts.join("&")}`;
  }

  /** The packets of a poll's answer. */
  async poll(): Promise<Read[]> {
    return this.read(await raw(this.url(), { headers: this.#headers() }));
  }

  /** The contents of the messages among them. */
  async messages(): Promise<Content[]> {
    return contents(await this.poll());
  }

  /** POSTs messages in one payload. */
  async send(...messages: readonly Content[]): Promise<RawReply> {
    return this.post(this.payload(messages));
  }

  post(body: Content): Promise<RawReply> {
    const type = typeof body === "string" ? "text/plain;charset=UTF-8" : "application/octet-stream";
    return raw(this.url(), { method: "POST", headers: { ...this.#headers(), "content-type": type }, body });
  }

  #headers(): Record<string, string> {
    return this.#options.balanced === true ? { "x-eio-request-id": `r${String(++requests)}` } : {};
  }

  payload(messages: readonly Content[]): Content {
    const packets = messages.map((data) => ({ type: "message" as const, data }));
    if (this.revision === 4) return given<string>((callback) => encodePayload(packets, callback));
    const asBytes = this.#options.base64 !== true;
    return given<Content>((callback) => stock3.encodePayload(packets, asBytes, callback as (encoded: unknown) => void));
  }

  /** The packets of an answer. */
  read({ status, headers, bytes, text }: RawReply): Read[] {
    if (status !== 200) throw new Error(`answered ${String(status)} ${text}`);
    if (this.revision === 4) return decodePayload(text, "nodebuffer");
    const packets: Read[] = [];
    const body = headers["content-type"] === "application/octet-stream" ? bytes : text;
    stock3.decodePayload(body, (packet: unknown) => {
      packets.push(packet as Read);
    });
    return packets;
  }

  async websocket(): Promise<PlainWebSocket> {
    const socket = new WebSocket(this.url("websocket").replace(/^http/, "ws"));
    const websocket = new PlainWebSocket(socket, this.revision);
    await once(socket, "open");
    return websocket;
  }
}

/** A websocket that speaks one of the protocols. */
export class PlainWebSocket {
  readonly socket: WebSocket;
  readonly #revision: Revision;
  /** All packets that came, in order. */
  readonly got: Read[] = [];

  constructor(socket: WebSocket, revision: Revision) {
    this.socket = socket;
    this.#revision = revision;
    socket.on("message", (data: Buffer, isBinary) => {
      const message = isBinary ? data : data.toString("utf8");
      const packet = revision === 4 ? decodePacket(message as RawData, "nodebuffer") : stock3.decodePacket(message);
      this.got.push(packet as Read);
    });
  }

  packet(type: "ping" | "upgrade" | "message" | "close", data?: Content): void {
    const packet = data === undefined ? { type } : { type, data };
    const write = (encoded: unknown): void => {
      this.socket.send(encoded as Content);
    };
    if (this.#revision === 4) encodePacket(packet, true, write);
    else stock3.encodePacket(packet, true, write);
  }

  send(data: Content): void {
    this.packet("message", data);
  }
}

export function contents(packets: readonly Read[]): Content[] {
  return packets.filter(({ type }) => type === "message").map(({ data }) => data ?? "");
}
