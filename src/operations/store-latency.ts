import { Histogram, type Registry } from "prom-client";
import { LATENCY_BOUNDS, type Latency } from "../telemetry/latency";

export const STORE_LATENCY = "engineio_store_seconds";

interface ToldValue {
  readonly labels: Record<string, number | string>;
  readonly sharedLabels: Readonly<Record<string, never>>;
  readonly value: number;
  readonly metricName: string;
}

interface Told {
  readonly name: string;
  readonly help: string;
  readonly type: "histogram";
  readonly aggregator: "sum";
  values: ToldValue[];
}

export const STORE_LATENCY_HELP = "Time from a command to Redis to its answer";

/** A histogram whose observations were counted elsewhere: it only tells them. */
export class StoreLatency extends Histogram {
  readonly #latency: () => Latency | undefined;

  constructor(registry: Registry, latency: () => Latency | undefined) {
    super({
      name: STORE_LATENCY,
      help: STORE_LATENCY_HELP,
      registers: [registry],
      buckets: LATENCY_BOUNDS.map((ms) => ms / 1000),
    });
    this.#latency = latency;
  }

  /** Where its class reads what it counted itself: for text, and within `get`. */
  getForPromString(): Promise<Told> {
    const latency = this.#latency();
    const values = latency === undefined ? [] : valuesOf(latency);
    return Promise.resolve({
      name: STORE_LATENCY,
      help: STORE_LATENCY_HELP,
      type: "histogram",
      aggregator: "sum",
      values,
    });
  }
}

function valuesOf({ classes, count, sum }: Latency): ToldValue[] {
  const bucket = `${STORE_LATENCY}_bucket`;
  let below = 0;
  const buckets = LATENCY_BOUNDS.map((ms, i): ToldValue => {
    below += classes[i] ?? 0;
    return { labels: { le: ms / 1000 }, value: below, metricName: bucket, sharedLabels: {} };
  });
  return [
    ...buckets,
    { labels: { le: "+Inf" }, value: count, metricName: bucket, sharedLabels: {} },
    { labels: {}, value: sum / 1000, metricName: `${STORE_LATENCY}_sum`, sharedLabels: {} },
    { labels: {}, value: count, metricName: `${STORE_LATENCY}_count`, sharedLabels: {} },
  ];
}
