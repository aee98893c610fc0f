import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port";

export interface NatsProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it in good order, and waits until it is gone. */
  stop(): Promise<void>;
  /** Kills it, and waits until it is gone. */
  kill(): Promise<void>;
  /** The same port again, after `kill`. */
  restart(): Promise<void>;
  /** Stops it from running, its connections open, until `resume`. */
  pause(): void;
  resume(): void;
}

const READY_WITHIN = 10_000;
/** What it may take to end after SIGTERM, in milliseconds, before it is killed. */
const STOP_WITHIN = 10_000;

/** A nats-server of the test's own, on a free port or on the one given, with these lines added to its configuration. */
export async function startNats(extraConfig = "", port?: number): Promise<NatsProcess> {
  for (let attempt = 0; ; attempt++) {
    const chosen = port ?? (await freePort());
    try {
      return await launch(extraConfig, chosen);
    } catch (error) {
      // Between the look and the start, somebody else can take a free port.
      if (port !== undefined || attempt >= 3) throw error;
    }
  }
}

async function launch(extraConfig: string, port: number): Promise<NatsProcess> {
  let current = await run(extraConfig, port);
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return current.child.pid ?? 0;
    },
    stop: () => current.end("SIGTERM"),
    kill: () => current.end("SIGKILL"),
    restart: async () => {
      current = await run(extraConfig, port);
    },
    pause: () => void current.child.kill("SIGSTOP"),
    resume: () => void current.child.kill("SIGCONT"),
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
}

async function run(extraConfig: string, port: number): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "nats-test-"));
  const config = join(folder, "nats.conf");
  writeFileSync(config, `listen: "127.0.0.1:${port}"\n${extraConfig}\n`);
  const child = spawn("nats-server", ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  const log: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  const killAtExit = (): void => void child.kill("SIGKILL");
  const exitAtSignal = (): void => process.exit(1);
  process.once("exit", killAtExit);
  // A test that takes too long is ended by a signal, upon which Node tells no "exit" by itself.
  process.once("SIGTERM", exitAtSignal);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!isGone(child)) {
      const gone = once(child, "exit");
      child.kill(signal);
      if (signal !== "SIGKILL") child.kill("SIGCONT");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN);
      await gone;
      clearTimeout(timer);
    }
    process.removeListener("exit", killAtExit);
    process.removeListener("SIGTERM", exitAtSignal);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await once(child, "spawn");
    await answers(child, port);
  } catch (error) {
    await end("SIGKILL");
    throw new Error(`nats-server did not start on port ${port}: ${log.join("")}`, { cause: error });
  }
  return { child, end };
}

function isGone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Waits until the server greets a connection. */
async function answers(child: ChildProcess, port: number): Promise<void> {
  const until = Date.now() + READY_WITHIN;
  while (Date.now() < until) {
    if (isGone(child)) throw new Error("it ended");
    if (await greets(port)) return;
    await sleep(10);
  }
  throw new Error("it does not answer");
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (greeted: boolean): void => {
      socket.destroy();
      resolve(greeted);
    };
    socket.once("data", (data) => done(data.toString().startsWith("INFO")));
    socket.once("error", () => done(false));
    socket.once("end", () => done(false));
  });
}
