import cluster, { type Worker as ClusterWorker } from "node:cluster";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Timer } from "../src/time/clock";
import { toEnvironment, type Config } from "./config";
import { EXIT_FAILED, EXIT_OK, FatalError } from "./fatal";
import type { FrontCounters } from "./front/exchange";
import { Front } from "./front/front";
import { errorText, type Log } from "./log";
import {
  DRAIN,
  isWorkerMessage,
  PING,
  WORKER_NAME_VARIABLE,
  WORKER_SOCKET_VARIABLE,
  type PrimaryMessage,
  type WorkerMessage,
} from "./messages";
import { primaryOperations } from "./primary-operations";
import { Restarts } from "./restarts";
import { StickyFront } from "./sticky/front";
import { WorkerReports, type Reports, type ReportTopic } from "./worker-reports";

/** What keeps the records of workers that have no Redis; the part of the hub that matters here. */
export interface LocalHub {
  /** Resolves with what its workers need in their environment. */
  listen(): Promise<Record<string, string>>;
  close(): Promise<void>;
}

export interface PrimaryOptions {
  readonly config: Config;
  /** The file that workers run. */
  readonly workerFile: string;
  readonly hub: LocalHub | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once, when all workers are ready for the first time. */
  readonly onReady: (port: number) => void;
}

/** A worker's place: the process in it changes, its name stays. */
interface Slot {
  readonly name: string;
  readonly restarts: Restarts;
  process: ClusterWorker | undefined;
  startedAt: number;
  ready: boolean;
  /** Path of the process's socket, where there is a front. */
  socket: string | undefined;
  /** Pings without an answer. */
  pings: number;
  restart: Timer | undefined;
}

/**
 * A worker that lives and does not move (paused, or in an endless loop) still takes connections. So each is asked in turn whether it
 * runs, five times in the time of a lease; so many questions without an answer, and its requests go elsewhere: a bit sooner than
 * other nodes take over its sessions, so that they are there when this happens.
 */
const PINGS_PER_LEASE = 5;
const PINGS_WITHOUT_ANSWER = 4;

/** Beyond the time to drain: closing what is left, and the process's own end. */
export const EXIT_GRACE = 5000;

/**
 * Two signals closer than this are one: a terminal sends Ctrl-C to the whole group, and npm passes it on once more.
 */
const SAME_SIGNAL = 1000;

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof SIGNAL_NUMBERS;

/** Starts the workers, keeps them running, and ends them. */
export class Primary {
  /** Answers for health and metrics of all workers. */
  readonly operations = primaryOperations(this);
  readonly #options: PrimaryOptions;
  readonly #reports: WorkerReports;
  readonly #slots: Slot[];
  readonly #front: Front | undefined;
  readonly #sticky: StickyFront | undefined;
  /** The workers' sockets are in a directory that only this user can enter. */
  readonly #directory: string | undefined;
  #environment: Record<string, string> = {};
  /** Where this process listens for the workers. */
  #ownPort: number | undefined;
  #sockets = 0;
  #wasReady = false;
  #stoppingSince: number | undefined;
  #exitCode: number = EXIT_OK;
  #deadline: Timer | undefined;
  #pinging: Timer | undefined;
  #ended: (exitCode: number) => void = () => undefined;

  constructor(options: PrimaryOptions) {
    const { config, clock } = options;
    this.#options = options;
    this.#reports = new WorkerReports(clock);
    this.#slots = Array.from({ length: config.workers }, (_, index) => ({
      name: `w${String(index + 1)}`,
      restarts: new Restarts(),
      process: undefined,
      startedAt: 0,
      ready: false,
      socket: undefined,
      pings: 0,
      restart: undefined,
    }));
    if (config.balancer === "front") {
      const { path: enginePath, bodyLimit, keepAliveTimeout } = config;
      this.#front = new Front({ clock, enginePath, bodyLimit, keepAliveTimeout });
      this.#directory = mkdtempSync(join(tmpdir(), "eio-workers-"));
    } else if (config.balancer === "sticky") {
      this.#sticky = new StickyFront();
    }
  }

  /** Resolves with the process's exit code when all workers have ended. */
  async run(): Promise<number> {
    const { config, hub, workerFile } = this.#options;
    const ended = new Promise<number>((resolve) => {
      this.#ended = resolve;
    });
    process.on("SIGTERM", this.#onSignal);
    process.on("SIGINT", this.#onSignal);
    try {
      const own = this.#front ?? this.#sticky;
      if (own !== undefined) this.#ownPort = await this.#listen(own);
      this.#environment = { ...toEnvironment(config), ...(await hub?.listen()) };
      cluster.schedulingPolicy = cluster.SCHED_RR;
      // In JSON, the bytes that the package passes on would arrive as something else.
      const serialization = this.#sticky === undefined ? "json" : "advanced";
      cluster.setupPrimary({ exec: workerFile, args: [], serialization });
      for (const slot of this.#slots) this.#start(slot);
      if (own !== undefined) this.#ping();
      return await ended;
    } finally {
      process.off("SIGTERM", this.#onSignal);
      process.off("SIGINT", this.#onSignal);
      this.#deadline?.stop();
      this.#pinging?.stop();
      await this.#front?.close();
      this.#sticky?.close();
      await hub?.close();
      if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  get workerNames(): string[] {
    return this.#slots.map(({ name }) => name);
  }

  get stopping(): boolean {
    return this.#stoppingSince !== undefined;
  }

  get frontCounters(): FrontCounters | undefined {
    return this.#front?.counters;
  }

  /** What the workers that run say of themselves. */
  reports(topic: ReportTopic): Promise<Reports> {
    return this.#reports.gather((number) => {
      const asked = this.#slots.filter(({ process: worker }) => worker?.isConnected() === true);
      for (const { process: worker } of asked) worker?.send({ type: "tell", number, topic } satisfies PrimaryMessage);
      return asked.length;
    });
  }

  async #listen(front: Front | StickyFront): Promise<number> {
    const { port, host } = this.#options.config;
    try {
      return (await front.listen(port, host)).port;
    } catch (error) {
      const where = `${host ?? "all addresses"}, port ${String(port)}`;
      throw new FatalError(`cannot listen on ${where} (--host, --port): ${errorText(error)}`, EXIT_FAILED, {
        cause: error,
      });
    }
  }

  #start(slot: Slot): void {
    slot.restart = undefined;
    if (this.#stoppingSince !== undefined) return;
    const environment: Record<string, string> = { ...this.#environment, [WORKER_NAME_VARIABLE]: slot.name };
    // A new name each time: what a killed worker left behind is in nobody's way.
    const socket = this.#directory && join(this.#directory, `${slot.name}-${String(++this.#sockets)}.sock`);
    if (socket !== undefined) environment[WORKER_SOCKET_VARIABLE] = socket;
    const worker = cluster.fork(environment);
    this.#sticky?.fork(worker);
    slot.process = worker;
    slot.socket = socket;
    slot.pings = 0;
    slot.startedAt = this.#options.clock.now();
    worker.on("message", (message: unknown) => {
      // What a process said last can come after its end, when the slot is another one's. Why it failed counts all the same.
      if (!isWorkerMessage(message) || (slot.process !== worker && message.type !== "fatal")) return;
      this.#onMessage(slot, message);
    });
    // A worker that dies while it is written to is told of by its exit.
    worker.on("error", (error) => {
      this.#options.log.debug("channel to a worker", { worker: slot.name, error: error.message });
    });
    worker.once("exit", (code: number | null, signal: string | null) => {
      if (socket !== undefined) rmSync(socket, { force: true });
      this.#sticky?.lose(worker);
      this.#onExit(slot, code, signal);
    });
  }

  #onMessage(slot: Slot, message: WorkerMessage): void {
    const { log } = this.#options;
    switch (message.type) {
      case "ready":
        // It was told while it could not listen yet.
        if (this.#stoppingSince !== undefined) {
          slot.process?.send(DRAIN);
          return;
        }
        slot.ready = true;
        this.#include(slot);
        log.info("worker ready", { worker: slot.name, workerPid: slot.process?.process.pid });
        this.#announce(message.port);
        return;
      case "draining":
        slot.ready = false;
        this.#exclude(slot);
        return;
      case "pong":
        this.#onPong(slot);
        return;
      case "report":
        this.#reports.onReport(message.number, slot.name, message.report);
        return;
      case "fatal":
        log.error(message.message, { worker: slot.name });
        // With others in service it may be a file that is just being replaced: that worker is tried again.
        if (!this.#wasReady) this.#kill(message.exitCode);
        return;
    }
  }

  /** Requests go to it from now on. */
  #include({ name, socket, process: worker }: Slot): void {
    if (socket !== undefined) this.#front?.add(name, socket);
    if (worker !== undefined) this.#sticky?.add(worker);
  }

  /** No new requests for it. */
  #exclude({ name, process: worker }: Slot): void {
    this.#front?.remove(name);
    if (worker !== undefined) this.#sticky?.remove(worker);
  }

  #ping(): void {
    for (const slot of this.#slots) {
      const worker = slot.process;
      if (!slot.ready || worker?.isConnected() !== true) continue;
      if (slot.pings === PINGS_WITHOUT_ANSWER) {
        this.#options.log.warn("worker does not answer, its requests go to others", { worker: slot.name });
        this.#front?.stall(slot.name);
        this.#sticky?.lose(worker);
      }
      // One more than the limit says that it is out already; a paused process must not find a heap of questions.
      if (slot.pings++ < PINGS_WITHOUT_ANSWER) worker.send(PING);
    }
    const { clock, config } = this.#options;
    this.#pinging = clock.after(config.leaseTtl / PINGS_PER_LEASE, () => {
      this.#ping();
    });
  }

  #onPong(slot: Slot): void {
    const wasOut = slot.pings > PINGS_WITHOUT_ANSWER;
    slot.pings = 0;
    if (!wasOut || !slot.ready) return;
    this.#options.log.info("worker answers again", { worker: slot.name });
    this.#include(slot);
  }

  #announce(port: number | undefined): void {
    if (this.#wasReady || !this.#slots.every((slot) => slot.ready)) return;
    this.#wasReady = true;
    this.#options.onReady(this.#ownPort ?? port ?? 0);
  }

  #onExit(slot: Slot, code: number | null, signal: string | null): void {
    const { clock, log } = this.#options;
    slot.process = undefined;
    slot.ready = false;
    this.#front?.remove(slot.name);
    if (this.#stoppingSince !== undefined) {
      if (this.#slots.every(({ process }) => process === undefined)) this.#ended(this.#exitCode);
      return;
    }
    const ended = signal === null ? { code } : { signal };
    // A worker that was asked to end by somebody else did well: a rolling restart.
    const delay = code === EXIT_OK ? 0 : slot.restarts.delayAfter(clock.now() - slot.startedAt);
    log.warn("worker ended, starting it again", { worker: slot.name, ...ended, delay });
    if (delay === 0) this.#start(slot);
    else slot.restart = clock.after(delay, () => this.#start(slot));
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const { clock, config, log } = this.#options;
    if (this.#stoppingSince === undefined) {
      log.info("stopping; once more to stop at once", { signal });
      this.#stop();
      for (const { process: worker } of this.#slots) if (worker?.isConnected() === true) worker.send(DRAIN);
      this.#deadline = clock.after(config.drainTimeout + EXIT_GRACE, () => {
        log.error("workers did not end in time and are killed");
        this.#kill(EXIT_FAILED);
      });
    } else if (clock.now() - this.#stoppingSince >= SAME_SIGNAL) {
      this.#kill(128 + SIGNAL_NUMBERS[signal as StopSignal]);
    }
  };

  #stop(): void {
    this.#stoppingSince ??= this.#options.clock.now();
    for (const slot of this.#slots) slot.restart?.stop();
    this.#front?.stop();
    this.#sticky?.stop();
    if (this.#slots.every(({ process: worker }) => worker === undefined)) this.#ended(this.#exitCode);
  }

  #kill(exitCode: number): void {
    this.#exitCode = exitCode;
    this.#stop();
    for (const { process: worker } of this.#slots) worker?.process.kill("SIGKILL");
  }
}
