import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Front, type FrontOptions } from "../../../cluster/front/front";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { until } from "../../helpers/until";
import type { StandInAnswer, StandInMessage, StandInMode } from "./stand-in-worker";

/** What a worker may take to start, or to be asked, on a slow machine. */
const TOLD_WITHIN_MS = 60_000;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** A front with workers to kill, and a client of it. Everything ends with the test. */
export class FrontKit {
  readonly front: Front;
  readonly port: number;
  readonly #directory: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #children: StandIn[] = [];
  readonly #servers: Server[] = [];

  private constructor(front: Front, port: number, directory: string) {
    this.front = front;
    this.port = port;
    this.#directory = directory;
  }

  static async start(test: TestContext, options: Partial<FrontOptions> = {}): Promise<FrontKit> {
    const front = new Front({ clock: runtimeClock, enginePath: "/engine.io", ...options });
    const { port } = await front.listen(0, "127.0.0.1");
    const kit = new FrontKit(front, port, await mkdtemp(join(tmpdir(), "eio-front-")));
    test.after(() => kit.stop());
    return kit;
  }

  socketPath(name: string): string {
    return join(this.#directory, `${name}.sock`);
  }

  /** A worker in a process of its own. */
  async child(name: string, mode: StandInMode): Promise<StandIn> {
    const child = fork(join(__dirname, "stand-in-worker.ts"), [this.socketPath(name), name, mode], {
      execArgv: ["--import", "tsx"],
    });
    const standIn = new StandIn(child);
    this.#children.push(standIn);
    await standIn.next("listening");
    this.front.add(name, this.socketPath(name));
    return standIn;
  }

  /** A worker in this process. */
  async local(name: string, listener: RequestListener): Promise<Server> {
    const server = createServer(listener);
    this.#servers.push(server);
    server.listen({ path: this.socketPath(name) });
    await once(server, "listening");
    this.front.add(name, this.socketPath(name));
    return server;
  }

  send(path: string, options: SendOptions = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(this.#options(path, options), (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          });
        });
      });
      request.on("error", reject);
      request.end(options.body);
    });
  }

  async sendJson(path: string, options: SendOptions = {}): Promise<StandInAnswer> {
    const reply = await this.send(path, options);
    return JSON.parse(reply.body) as StandInAnswer;
  }

  /** A request of which the caller does the rest. */
  open(path: string, options: SendOptions = {}): ReturnType<typeof httpRequest> {
    return httpRequest(this.#options(path, options));
  }

  #options(path: string, { method = "GET", headers = {} }: SendOptions): object {
    return { port: this.port, host: "127.0.0.1", agent: this.#agent, path, method, headers };
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    // Nobody waits for what a test has left.
    const closed = this.front.close();
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    await Promise.all(this.#children.map((child) => child.kill()));
    await closed;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A worker process, and what it has told. */
export class StandIn {
  readonly #child: ChildProcess;
  readonly #told: StandInMessage[] = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => this.#told.push(message as StandInMessage));
  }

  get requests(): number {
    return this.#told.filter(({ type }) => type === "request").length;
  }

  /** Resolves when it has told something of this type. Fails when it has ended without. */
  async next(type: StandInMessage["type"]): Promise<StandInMessage> {
    const find = (): StandInMessage | undefined => this.#told.find((message) => message.type === type);
    const told = (): boolean => find() !== undefined;
    // What it told last is read before its channel is closed.
    await until(`the worker has told "${type}"`, () => told() || !this.#child.connected, TOLD_WITHIN_MS);
    const found = find();
    if (found === undefined) throw new Error(`the worker ended and never told "${type}"`);
    return found;
  }

  /** Stops it as it stands: its socket still takes connections. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  /** It goes on. */
  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
