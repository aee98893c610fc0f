import type { Latencies } from "../statistics";
import type { Faults } from "./ledger";

/** What the driver's process is told to do. */
export interface Task {
  readonly kind: "polling" | "websocket";
  readonly ports: readonly number[];
  /**
   * Polling: whether each request of a session goes to the next port, or all to that of its handshake. Websocket: whether the
   * session is opened by polling and its websocket goes to the next port, or both to the same.
   */
  readonly roaming: boolean;
  readonly sessions: number;
  readonly concurrency: number;
  readonly rate: number | undefined;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Processes whose CPU time is measured. */
  readonly pids: readonly number[];
}

/** What it has found. */
export interface Findings {
  /** Echoes that came within the time of the measurement. */
  readonly messages: number;
  readonly seconds: number;
  /** CPU time of each process of the task, in microseconds. */
  readonly cpu: readonly number[];
  /** From the call of send to the echo, in milliseconds. */
  readonly latencies: Latencies;
  /** The share of one CPU that the driver itself used: near 1 it was the driver that was measured. */
  readonly driverShare: number;
  /** Of the whole run, warm-up included. */
  readonly faults: Faults;
  /** Sessions that had to be opened once more, because they failed before their first message. */
  readonly reopened: number;
  readonly errors: readonly string[];
}

export type DriverMessage =
  { readonly type: "findings"; readonly findings: Findings } | { readonly type: "failed"; readonly reason: string };
