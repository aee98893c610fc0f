import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import { Server as StockServer } from "engine.io";
import type { AttachOptions, EngineOptions } from "../../src/options";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import { runtimeClock } from "../../src/time/runtime-clock";
import { raw, type RawReply, type RawRequest } from "./raw-http";

type Use = (
  middleware: (request: IncomingMessage, response: ServerResponse, next: (e?: unknown) => void) => void,
) => unknown;

/** An engine on a server of its own, ours or the stock one, with a log of what a client sees and of what listeners hear. */
export interface Subject {
  readonly engine: EventEmitter & { use: Use };
  readonly log: string[];
  /** Asks for a query, or for a path that begins with a slash. */
  readonly ask: (query: string, request?: RawRequest) => Promise<RawReply>;
  /** Where the server listens. */
  readonly origin: string;
}

export type Scenario = (subject: Subject) => Promise<void>;

/** What a client sees of a reply, but for what changes from one to the next, and for how the body is framed. */
const UNSTABLE = /^(date|connection|keep-alive|sec-websocket-accept|transfer-encoding|content-length)$/;

function shown({ status, headers, text }: RawReply): string {
  const kept = Object.entries(headers).filter(([name]) => !UNSTABLE.test(name));
  const lines = kept.map(([name, value]) => `${name}: ${String(value)}`).sort();
  return [String(status), ...lines, text].join("\n").replace(/[\w-]{20}/g, "<sid>");
}

async function outcome(stock: boolean, options: Options, scenario: Scenario): Promise<string[]> {
  const server = createServer((_request, response) => {
    response.writeHead(404).end("others");
  });
  const log: string[] = [];
  // The two agree on these options; their types differ in what else they allow.
  const engine = stock
    ? new StockServer(options as ConstructorParameters<typeof StockServer>[0])
    : new Engine(options, runtimeClock, (engine) => new LocalHost(engine, runtimeClock));
  engine.attach(server, options);
  for (const event of ["initial_headers", "headers"]) {
    engine.on(event, (headers: Record<string, unknown>, { method }: IncomingMessage) => {
      const names = Object.keys(headers).filter((name) => !/^content-length$/i.test(name));
      log.push(
        `${event} ${method ?? ""} ${names
          .map((name) => name.toLowerCase())
          .sort()
          .join()}`,
      );
    });
  }
  engine.on("connection_error", ({ code, message, context }: Record<string, unknown>) =>
    log.push(`connection_error ${JSON.stringify({ code, message, context })}`),
  );
  engine.on("connection", ({ transport }: { transport: object }) => {
    // A transport of the stock engine whose close finds no poll keeps the process for half a minute.
    if ("closeTimeout" in transport) transport.closeTimeout = 10;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const ask: Subject["ask"] = async (query, request) => {
    const reply = await raw(query.startsWith("/") ? origin + query : `${origin}/engine.io/?${query}`, request);
    log.push(shown(reply));
    return reply;
  };
  try {
    await scenario({ engine: engine, log, ask, origin });
    return log;
  } finally {
    engine.close();
    server.close();
    server.closeAllConnections();
  }
}

type Options = EngineOptions & AttachOptions;

/** Runs a scenario on the stock engine and on this one: a client and listeners see the same. */
export function same(name: string, options: Options, scenario: Scenario): void {
  it(name, async () => {
    const stock = await outcome(true, options, scenario);
    assert.ok(stock.length > 1, "something happened");
    assert.deepEqual(await outcome(false, options, scenario), stock);
  });
}

export const OPEN = "EIO=4&transport=polling";

/** The session id in a handshake's answer, plain or in a script. */
export function sidOf({ text }: RawReply): string {
  return /sid\\*":\\*"([\w-]+)/.exec(text)?.[1] ?? "";
}
