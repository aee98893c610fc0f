import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { until } from "../../helpers/until";
import { within } from "../../helpers/within";

/** What it may take to say something, or to end, on a slow machine. */
const WITHIN_MS = 60_000;

export type LogLine = Readonly<Record<string, unknown>>;

/** A process that writes JSON lines, and what it has written. It ends with the test. */
export class LineProcess {
  readonly lines: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited: Promise<unknown[]>;
  #ended = false;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#exited = once(child, "close").finally(() => (this.#ended = true));
    createInterface({ input: child.stdout! }).on("line", (text) => this.lines.push(readLine(text)));
  }

  static start(test: TestContext, file: string, args: readonly string[], environment: NodeJS.ProcessEnv): LineProcess {
    // What a process leaves behind that is killed goes with the test.
    const folder = mkdtempSync(join(tmpdir(), "eio-"));
    // The compiler's cache stays the one of all tests.
    const cache = `tsx-${String(process.getuid?.() ?? "")}`;
    symlinkSync(join(tmpdir(), cache), join(folder, cache));
    const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, TMPDIR: folder, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const started = new LineProcess(child, folder);
    test.after(async () => {
      child.kill("SIGKILL");
      await started.exit();
      await rm(folder, { recursive: true, force: true });
    });
    return started;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** What it has in its directory for temporary files now. */
  leftBehind(): string[] {
    return readdirSync(this.#folder).filter((name) => !name.startsWith("tsx-"));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the lines that match, when there are `count` of them. */
  async logged(message: RegExp, count = 1): Promise<readonly LogLine[]> {
    const find = (): LogLine[] => this.lines.filter(({ msg }) => message.test(String(msg)));
    const isThere = (): boolean => find().length >= count;
    await until(`${String(message)} is logged`, () => isThere() || this.#ended, WITHIN_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}; it logged ${JSON.stringify(this.lines)}`, { cause: error });
    });
    const found = find();
    if (found.length >= count) return found;
    throw new Error(`the process ended without ${String(message)}: ${JSON.stringify(this.lines)}`);
  }

  /** Resolves with the exit code, or the signal that ended it. */
  async exit(): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await within("the process to end", this.#exited, WITHIN_MS)) as [
      number | null,
      NodeJS.Signals | null,
    ];
    return signal ?? code ?? -1;
  }
}

function readLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { msg: text };
  }
}
