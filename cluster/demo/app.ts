import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { runtimeClock } from "../../src/time/runtime-clock";
import type { Server, Socket } from "../../src/index";
import type { App, AppContext } from "../load-app";
import { errorText, shortSid } from "../log";
import { assetFor, loadAssets } from "./assets";
import { isSay, PAGE_PARAMETER, readDemoMessage, type FromServer } from "./messages";

export interface DemoOptions {
  /** Whether a visitor may kill the worker that owns his session. */
  readonly kill: boolean;
}

/** What the session keeps, whichever worker owns it. */
interface DemoData {
  readonly echoes: number;
  /** The workers that have owned the session, oldest first. */
  readonly owners: readonly string[];
}

/** Between "I die" and dying: the answer to the request that asked for it should be out. */
const LAST_WORDS = 50;
const OWNERS_KEPT = 50;

/**
 * The application that is served where no other is named: a page that shows which worker does what. Messages that are not the page's own are
 * echoed as they are, text and binary, so that it is an echo server too.
 */
export function createDemo(options: DemoOptions): App {
  return (engine, httpServer, context) => {
    const worker = `${context.worker}/${String(process.pid)}`;
    const assets = loadAssets(context.path, engine.opts.transports);
    httpServer.on("request", (request: IncomingMessage, response: ServerResponse) => {
      assetFor(assets, request.method, request.url).send(response, request.method === "HEAD");
    });
    // The page reads it of every response, to tell which worker a request came to.
    engine.on("headers", (headers: OutgoingHttpHeaders, request: IncomingMessage) => {
      headers["x-worker"] = worker;
      // No script can read the headers that a websocket begins with. Any worker can send to the session instead.
      if (request.headers.upgrade !== undefined) tellHolder(engine, request, worker, context);
    });
    engine.on("connection", (socket: Socket) => {
      new DemoSession(engine, socket, worker, options, context).start();
    });
  };
}

/** Tells the page which worker its websocket has come to. */
function tellHolder(engine: Server, request: IncomingMessage, worker: string, { log }: AppContext): void {
  const query = new URLSearchParams(request.url?.split("?")[1]);
  const sid = query.get("sid");
  if (sid === null || !query.has(PAGE_PARAMETER)) return;
  const text = JSON.stringify({ demo: "holder", worker } satisfies FromServer);
  if (engine.cluster === undefined) {
    engine.clients[sid]?.send(text);
    return;
  }
  engine.cluster.send(sid, text).catch((error: unknown) => {
    log.debug("the page was not told of its websocket", { error: errorText(error) });
  });
}

class DemoSession {
  readonly #engine: Server;
  readonly #socket: Socket;
  readonly #worker: string;
  readonly #options: DemoOptions;
  readonly #context: AppContext;

  constructor(engine: Server, socket: Socket, worker: string, options: DemoOptions, context: AppContext) {
    this.#engine = engine;
    this.#socket = socket;
    this.#worker = worker;
    this.#options = options;
    this.#context = context;
  }

  start(): void {
    this.#socket.on("message", this.#onMessage);
    // A plain echo client does not expect a greeting; only the page asks for one. Of a new owner it cannot know, so it is told.
    if (this.#socket.recovered && isDemoData(this.#socket.data)) this.#own();
  }

  readonly #onMessage = (data: unknown): void => {
    const message = readDemoMessage(data);
    if (message === undefined) this.#socket.send(data ?? "");
    else if (isSay(message)) this.#say(message.id, message.text);
    else if (message.demo === "hello") this.#own();
    else this.#kill();
  };

  #own(): void {
    const before = this.#data();
    const owners = before.owners.at(-1) === this.#worker ? before.owners : [...before.owners, this.#worker];
    this.#socket.data = { ...before, owners: owners.slice(-OWNERS_KEPT) } satisfies DemoData;
    const refusal = this.#refusal();
    this.#tell({ demo: "owner", worker: this.#worker, recovered: this.#socket.recovered, kill: refusal === undefined });
  }

  #say(id: number, text: string): void {
    const before = this.#data();
    const data: DemoData = { ...before, echoes: before.echoes + 1 };
    this.#socket.data = data;
    this.#tell({ demo: "echo", id, text, owner: this.#worker, count: data.echoes });
  }

  #kill(): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#tell({ demo: "refused", why: refusal });
      return;
    }
    this.#context.log.warn("killing this worker, as its visitor asked", { session: shortSid(this.#socket.id) });
    // The callback comes when the message is on its way, and so the request that asked is recorded as handled. Killed before that,
    // the request would be sent again, to the next owner, and kill that one too.
    this.#socket.send(JSON.stringify({ demo: "dying", worker: this.#worker } satisfies FromServer), () => {
      runtimeClock.after(LAST_WORDS, () => process.kill(process.pid, "SIGKILL"));
    });
  }

  #refusal(): string | undefined {
    if (!this.#options.kill) return "killing is switched off here (DEMO_KILL=0)";
    if (this.#engine.cluster === undefined) return "there is no other worker for the session to go to";
    return undefined;
  }

  #data(): DemoData {
    return isDemoData(this.#socket.data) ? this.#socket.data : { echoes: 0, owners: [] };
  }

  #tell(message: FromServer): void {
    this.#socket.send(JSON.stringify(message));
  }
}

function isDemoData(data: unknown): data is DemoData {
  return typeof data === "object" && data !== null && "echoes" in data && "owners" in data;
}
