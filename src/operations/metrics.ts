import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import { runtimeClock } from "../time/runtime-clock";
import { EngineEvents } from "./engine-events";
import type { OperatedEngine } from "./operated-engine";
import { READINGS, type Reading } from "./readings";
import { sampleOf, type Sample } from "./sample";
import { StoreLatency } from "./store-latency";

/** How long NATS may take to answer a scrape, in milliseconds. */
const ROUND_TRIP_WITHIN = 500;
/** A sample serves all metrics of one scrape; the next one takes its own. Milliseconds. */
const SAMPLE_AGE = 200;

export interface MetricsOptions {
  /** Labels of every metric, such as the name of a worker. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Whether the process's own are among them: event-loop lag, memory, CPU, garbage collection. Default: true. */
  readonly process?: boolean;
}

/** The metrics of one engine, in a registry of their own: what is counted anyway, read when somebody asks. */
export class Metrics {
  readonly registry = new Registry();
  readonly #engine: OperatedEngine;
  readonly #events: EngineEvents;
  #sample: Sample | undefined;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #roundTrip: number | undefined;

  constructor(engine: OperatedEngine, options: MetricsOptions = {}) {
    this.#engine = engine;
    this.#events = new EngineEvents(engine);
    if (options.labels !== undefined) this.registry.setDefaultLabels({ ...options.labels });
    for (const reading of READINGS) this.#register(reading);
    new StoreLatency(this.registry, () => engine.cluster?.adapters?.storeLatency);
    if (options.process !== false) collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    await this.#measureBus();
    return this.registry.metrics();
  }

  /** As objects that `merge` takes, from several processes. */
  async objects(): Promise<object[]> {
    await this.#measureBus();
    return this.registry.getMetricsAsJSON();
  }

  #register({ name, kind, help, labels, read }: Reading): void {
    const now = (): Sample => this.#sampleNow();
    const shared = { name, help, labelNames: labels, registers: [this.registry] };
    if (kind === "gauge") {
      const gauge = new Gauge({
        ...shared,
        collect: () => {
          gauge.reset();
          if (labels.length === 0) gauge.remove();
          for (const [values, value] of read(now())) gauge.set(values, value);
        },
      });
    } else {
      const counter = new Counter({
        ...shared,
        collect: () => {
          counter.reset();
          if (labels.length === 0) counter.remove();
          for (const [values, value] of read(now())) counter.inc(values, value);
        },
      });
    }
  }

  #sampleNow(): Sample {
    const now = runtimeClock.now();
    if (this.#sample === undefined || now - this.#sampledAt > SAMPLE_AGE) {
      this.#sample = sampleOf(this.#engine, this.#events, this.#roundTrip);
      this.#sampledAt = now;
    }
    return this.#sample;
  }

  async #measureBus(): Promise<void> {
    this.#sample = undefined;
    this.#roundTrip = undefined;
    const asked = this.#engine.cluster?.adapters?.busRoundTrip();
    if (asked === undefined) return;
    const late = new Promise<undefined>((resolve) => {
      runtimeClock.afterUnref(ROUND_TRIP_WITHIN, () => {
        resolve(undefined);
      });
    });
    const ms = await Promise.race([asked.catch(() => undefined), late]);
    this.#roundTrip = ms === undefined ? undefined : ms / 1000;
  }
}
