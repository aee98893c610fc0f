import { randomBytes } from "node:crypto";
import { ask, type Answer, type Ask } from "./http";
import { NODE_HEADER, ORDER_HEADER, writeOrder, type Order } from "./orders";

/** The deployment that is looked at, as a client reaches it. */
export interface PatientOptions {
  /** Of the balancer. */
  readonly url: URL;
  /** Path of the engine's requests. */
  readonly path: string;
  /** What the nodes have as DOCTOR_SECRET; without it they do not tell who they are. */
  readonly secret: string | undefined;
}

/** A session that was opened. */
export interface PatientSession {
  readonly sid: string;
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly upgrades: readonly string[];
}

export class Patient {
  readonly url: URL;
  readonly secret: string | undefined;
  /** Nodes that have answered. */
  readonly nodes = new Set<string>();
  #numbers = 0;

  constructor({ url, path, secret }: PatientOptions) {
    this.url = new URL(`${path}/`, url);
    this.secret = secret;
  }

  /** A new session; or the answer that began none. */
  async open(): Promise<{ session: PatientSession | undefined; answer: Answer }> {
    const answer = await this.poll("");
    return { session: answer.status === 200 ? sessionOf(answer.body) : undefined, answer };
  }

  poll(sid: string, options: Ask = {}): Promise<Answer> {
    return this.#ask(this.address("polling", sid), { kind: "who" }, options);
  }

  post(sid: string, body: string): Promise<Answer> {
    const headers = { "content-type": "text/plain;charset=UTF-8" };
    return this.#ask(this.address("polling", sid), { kind: "who" }, { method: "POST", body, headers });
  }

  /** A request that no session knows of: a node's desk answers it. */
  order(order: Order, options: Ask): Promise<Answer> {
    // Where there is no desk the engine answers 400, and begins no session.
    return this.#ask(this.address("doctor", ""), order, options);
  }

  address(transport: string, sid: string): URL {
    const url = new URL(this.url);
    url.searchParams.set("EIO", "4");
    url.searchParams.set("transport", transport);
    url.searchParams.set("t", `doctor${(++this.#numbers).toString(36)}`);
    if (sid !== "") url.searchParams.set("sid", sid);
    return url;
  }

  headers(order: Partial<Order> & Pick<Order, "kind">): Record<string, string> {
    if (this.secret === undefined) return {};
    return { [ORDER_HEADER]: writeOrder({ node: "-", run: newRun(), ...order }, this.secret) };
  }

  /** Notes which node an answer is of, and says it. */
  nodeOf(headers: Readonly<Record<string, unknown>>): string | undefined {
    const node = headers[NODE_HEADER];
    if (typeof node !== "string") return undefined;
    this.nodes.add(node);
    return node;
  }

  async #ask(url: URL, order: Partial<Order> & Pick<Order, "kind">, options: Ask): Promise<Answer> {
    const answer = await ask(url, { ...options, headers: { ...options.headers, ...this.headers(order) } });
    this.nodeOf(answer.headers);
    return answer;
  }
}

export function newRun(): string {
  return randomBytes(9).toString("base64url");
}

/** What an open packet says. */
export function sessionOf(body: string): PatientSession | undefined {
  if (!body.startsWith("0{")) return undefined;
  try {
    const { sid, pingInterval, pingTimeout, upgrades } = JSON.parse(body.slice(1)) as Record<string, unknown>;
    if (typeof sid !== "string" || typeof pingInterval !== "number" || typeof pingTimeout !== "number")
      return undefined;
    const names = Array.isArray(upgrades) ? upgrades.filter((name) => typeof name === "string") : [];
    return { sid, pingInterval, pingTimeout, upgrades: names };
  } catch {
    return undefined;
  }
}
