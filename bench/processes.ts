import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** A process that counts: its CPU time is a part of what a message costs. */
export interface Part {
  readonly role: string;
  readonly pid: number;
}

/** What a process may take to end when it was asked to. */
const END_WITHIN_MS = 5_000;
const START_WITHIN_MS = 20_000;
/** What is kept of a process's output: its end. */
const KEPT_CHARS = 100_000;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Node tells of no exit when it is ended by a signal that nobody listens to.
  process.once(signal, () => process.exit(1));
}

/** Where profiles go; set once, before anything starts. */
let profiles: string | undefined;
export function profileInto(folder: string | undefined): void {
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
  profiles = folder;
}

/** Node's arguments for a process that serves; its workers inherit them. */
function nodeArguments(): string[] {
  return profiles === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profiles];
}

/** A process that this benchmark has started, and that ends with it. */
export class Child {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = "";

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    // Told of by whoever waits for it.
    child.once("error", () => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_CHARS);
      });
    }
  }

  static spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    return new Child(command, spawn(command, args, { stdio, env: { ...process.env, ...env } }));
  }

  /** Runs a file of the repository under Node, as a server. */
  static serve(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Child {
    return Child.spawn(process.execPath, [...nodeArguments(), file, ...args], env);
  }

  /** Forks a file of this folder, which tells by messages what it has to tell. */
  static fork(file: string, args: readonly string[], kind: "server" | "driver"): Child {
    const execArgv = kind === "server" ? nodeArguments() : [];
    return new Child(file, fork(join(__dirname, file), args, { stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  get ended(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Its next message; rejects when it ends before, or says nothing for too long. */
  message(withinMs = START_WITHIN_MS): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(this.#failure(`said nothing for ${withinMs / 1000} s`));
      }, withinMs);
      this.#child.once("message", (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      this.#child.once("exit", (code, signal) => {
        clearTimeout(timer);
        reject(this.#failure(`ended (${String(signal ?? code)})`));
      });
    });
  }

  /** Waits until `look` finds something; rejects when the process ends before, or it takes too long. */
  async until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + START_WITHIN_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.ended) throw this.#failure(`ended before ${what}`);
      if (performance.now() > deadline) throw this.#failure(`has no ${what} after ${START_WITHIN_MS / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves with its exit code when it ends by itself. */
  async exit(): Promise<number | null> {
    if (!this.ended) await once(this.#child, "exit");
    return this.#child.exitCode;
  }

  /** Ends it, politely at first; resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_WITHIN_MS);
    await gone;
    clearTimeout(timer);
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}; it printed:\n${this.#output}`);
  }
}
