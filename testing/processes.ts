import { spawn, type ChildProcess } from "node:child_process";
import { waitFor } from "./wait-for";

export interface ProcessOptions {
  /** How it is called in messages; else the command. */
  readonly name?: string;
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process may take to end after SIGTERM before it is killed. */
const STOP_WITHIN_MS = 30_000;
/** What is kept of a process's output: its end. */
const KEPT_CHARS = 1_000_000;

const alive = new Set<ChildProcess>();

// Also when a test failed, and with it the code that would have ended its processes. They are in the process group of
// this one, so whoever kills that as a whole ends them too.
process.once("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** Ended by SIGTERM, Node tells no "exit" by itself. Only while there are processes: it is not ours to say how others' end. */
const exitAtSignal = (): void => process.exit(1);

function begun(child: ChildProcess): void {
  if (alive.size === 0) process.once("SIGTERM", exitAtSignal);
  alive.add(child);
}

function ended(child: ChildProcess): void {
  alive.delete(child);
  if (alive.size === 0) process.removeListener("SIGTERM", exitAtSignal);
}

/** Debian keeps servers in sbin, which a plain user's PATH does not name. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin`;

/** Starts a process whose output is kept, and that ends with this process at the latest. */
export function startProcess(command: string, args: readonly string[], options: ProcessOptions = {}): RunningProcess {
  return new RunningProcess(command, args, options);
}

export class RunningProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<ProcessEnd>;
  #output = "";
  #end: ProcessEnd | undefined;
  #failure: Error | undefined;

  constructor(command: string, args: readonly string[], options: ProcessOptions) {
    this.name = options.name ?? command;
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, PATH, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    begun(child);
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-KEPT_CHARS);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        ended(child);
        this.#end = { code, signal };
        resolve(this.#end);
      };
      child.once("error", (error) => {
        // A command that is not there has no exit of its own.
        this.#failure = error;
        if (child.pid === undefined) end(null, null);
      });
      child.once("exit", end);
    });
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  /** Resolves when it has ended, however. */
  get ended(): Promise<ProcessEnd> {
    return this.#ended;
  }

  /** What it has written so far, to both of its outputs. */
  logs(): string {
    return this.#output;
  }

  /** Waits until its output has this in it; fails at once when it ends before. */
  async prints(pattern: RegExp, withinMs = 20_000): Promise<RegExpExecArray> {
    return this.until(`${String(pattern)} in its output`, () => pattern.exec(this.#output) ?? undefined, withinMs);
  }

  /** Waits for a condition that only holds while this process runs: fails at once, with its output, when it ends. */
  async until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>, withinMs = 20_000): Promise<T> {
    let ended = false;
    const answer = await waitFor(
      `${what} (${this.name})`,
      async () => {
        const found = await ask();
        if (found !== undefined) return { found };
        ended = !this.running;
        return ended ? { found: undefined } : undefined;
      },
      withinMs,
    ).catch((error: unknown) => {
      throw new Error(`${this.name} is not as expected; it printed:\n${this.#output}`, { cause: error });
    });
    if (answer.found !== undefined) return answer.found;
    const end = JSON.stringify(this.#end);
    throw new Error(`${this.name} ended (${end}) before ${what}; it printed:\n${this.#output}`, {
      cause: this.#failure,
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it as an operator would. One that does not end in time is killed, and that is an error. */
  async stop(withinMs = STOP_WITHIN_MS): Promise<ProcessEnd> {
    if (this.#end !== undefined) return this.#end;
    this.#child.kill("SIGTERM");
    // A process that was stopped by SIGSTOP gets its SIGTERM when it goes on.
    this.#child.kill("SIGCONT");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), withinMs);
    const end = await this.#ended;
    clearTimeout(timer);
    if (end.signal === "SIGKILL") {
      throw new Error(`${this.name} did not end within ${withinMs} ms of SIGTERM; it printed:\n${this.#output}`);
    }
    return end;
  }

  /** Kills it, and waits until it is gone. */
  async kill(): Promise<ProcessEnd> {
    if (this.#end === undefined) this.#child.kill("SIGKILL");
    return this.#ended;
  }
}
