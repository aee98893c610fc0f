import { AggregatorRegistry } from "prom-client";
import type { Readiness } from "../src/index";
import type { Clock, Timer } from "../src/time/clock";

/** How long a worker may take to report, in milliseconds: one that stands still must not hold up a probe. */
const TOLD_WITHIN = 500;

/** What the primary asks a worker about itself. */
export type ReportTopic = "readiness" | "metrics";

/** What a worker says: its readiness, or the metrics of its registry. */
export interface Report {
  readonly readiness?: Readiness;
  readonly metrics?: readonly object[];
}

/** What came from each worker, by name. Those that did not answer in time are missing. */
export type Reports = ReadonlyMap<string, Report>;

interface Asked {
  readonly got: Map<string, Report>;
  awaited: number;
  readonly timer: Timer;
  readonly done: () => void;
}

/** The primary's side: asks all workers, and waits a little for what they say. */
export class WorkerReports {
  readonly #clock: Clock;
  readonly #asked = new Map<number, Asked>();
  #number = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `ask` sends the question of this number, and returns to how many workers. */
  gather(ask: (number: number) => number): Promise<Reports> {
    const number = ++this.#number;
    return new Promise((resolve) => {
      const got = new Map<string, Report>();
      const done = (): void => {
        this.#asked.delete(number);
        timer.stop();
        resolve(got);
      };
      const timer = this.#clock.after(TOLD_WITHIN, done);
      const asked: Asked = { got, awaited: Number.POSITIVE_INFINITY, timer, done };
      this.#asked.set(number, asked);
      asked.awaited = ask(number);
      if (got.size >= asked.awaited) done();
    });
  }

  onReport(number: number, worker: string, report: Report): void {
    const asked = this.#asked.get(number);
    if (asked === undefined) return;
    asked.got.set(worker, report);
    if (asked.got.size >= asked.awaited) asked.done();
  }
}

/** Requests can be served while one worker is ready. `names`: of all workers, also of those that said nothing. */
export function readinessOf(names: readonly string[], reports: Reports, staying: boolean): Readiness {
  const conditions: Record<string, boolean> = { staying };
  let some = false;
  for (const name of names) {
    const ready = reports.get(name)?.readiness?.ready === true;
    conditions[name] = ready;
    some ||= ready;
  }
  return { ready: staying && some, conditions };
}

/** In Prometheus' text format. Each worker's metrics have its name as a label. */
export function metricsText(reports: Reports, own: readonly object[]): Promise<string> {
  const all = [...reports.values()].map(({ metrics }) => metrics ?? []);
  return AggregatorRegistry.aggregate([...all, own]).metrics();
}
