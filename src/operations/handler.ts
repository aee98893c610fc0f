import type { IncomingMessage, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { Metrics, type MetricsOptions } from "./metrics";
import type { OperatedEngine } from "./operated-engine";

export const PATHS = { alive: "/healthz", ready: "/readyz", metrics: "/metrics" } as const;

export interface OperationsOptions extends MetricsOptions {
  /** More conditions of readiness, by name: of the application, such as that its HTTP server listens. */
  readonly conditions?: Readonly<Record<string, () => boolean>>;
}

/** What `/readyz` says. */
export interface Readiness {
  readonly ready: boolean;
  /** Every condition by its name. */
  readonly conditions: Readonly<Record<string, boolean>>;
}

/** What answers `/healthz`, `/readyz` and `/metrics`, and 404 else. */
export interface OperationsHandler {
  (request: IncomingMessage, response: ServerResponse): void;
  readiness(): Readiness;
  /** Of prom-client: where an application can add metrics of its own. */
  readonly registry: Registry;
  readonly metrics: Metrics;
}

/**
 * Makes the listener of requests about an engine's health and metrics, for an HTTP server of one's own. On a port that
 * clients cannot reach: it tells nothing secret, and yet nobody's business. Make it before the engine has sessions: it
 * counts those that begin from then on.
 */
export function operationsHandler(engine: OperatedEngine, options: OperationsOptions = {}): OperationsHandler {
  const metrics = new Metrics(engine, options);
  const readiness = (): Readiness => readinessOf(engine, options.conditions ?? {});
  const handler = answering({
    readiness,
    metrics: () => metrics.text(),
    contentType: metrics.contentType,
  });
  return Object.assign(handler, { readiness, metrics, registry: metrics.registry });
}

/** Where the three answers come from. */
export interface OperationsSource {
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly metrics: () => Promise<string>;
  readonly contentType: string;
}

export function answering(source: OperationsSource): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    // A body is nobody's here; unread it would hold the connection.
    request.resume();
    if (request.method !== "GET" && request.method !== "HEAD") {
      send(response, 405, "text/plain", "Method not allowed\n");
      return;
    }
    switch (request.url?.split("?")[0]) {
      case PATHS.alive:
        // That it is answered at all is the answer: the event loop turns.
        send(response, 200, "text/plain", "ok\n");
        return;
      case PATHS.ready:
        answerLater(response, async () => {
          const readiness = await source.readiness();
          send(response, readiness.ready ? 200 : 503, "application/json", `${JSON.stringify(readiness)}\n`);
        });
        return;
      case PATHS.metrics:
        answerLater(response, async () => {
          send(response, 200, source.contentType, await source.metrics());
        });
        return;
      default:
        send(response, 404, "text/plain", "Not found\n");
    }
  };
}

function answerLater(response: ServerResponse, answer: () => Promise<void>): void {
  answer().catch((error: unknown) => {
    send(response, 500, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`);
  });
}

function readinessOf(engine: OperatedEngine, own: Readonly<Record<string, () => boolean>>): Readiness {
  const conditions: Record<string, boolean> = {};
  if (engine.cluster !== undefined) {
    const { joined, lease, store, bus, leaving } = engine.cluster.health();
    Object.assign(conditions, { joined, lease, store, bus, staying: !leaving });
  }
  for (const [name, holds] of Object.entries(own)) conditions[name] = holds();
  return { ready: Object.values(conditions).every(Boolean), conditions };
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
