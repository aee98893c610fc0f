import { Counter, Registry } from "prom-client";
import { answering } from "../src/operations/handler";
import type { FrontCounters } from "./front/exchange";
import { metricsText, readinessOf, type Reports, type ReportTopic } from "./worker-reports";

/** What health and metrics of several workers are put together from. */
export interface OperatedPrimary {
  readonly workerNames: readonly string[];
  readonly stopping: boolean;
  /** Undefined where there is no front. */
  readonly frontCounters: FrontCounters | undefined;
  reports(topic: ReportTopic): Promise<Reports>;
}

/** What the front counts: as metrics of the primary. */
export const FRONT_METRICS: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: keyof FrontCounters;
}[] = [
  { name: "engineio_front_requests_total", help: "Requests that came to the front", of: "requests" },
  { name: "engineio_front_retries_total", help: "Requests sent again because a worker died under them", of: "retries" },
  { name: "engineio_front_failures_total", help: "Requests that no worker answered", of: "failed" },
  {
    name: "engineio_front_bodies_refused_total",
    help: "Requests whose body was larger than the front takes, or for which it had no room",
    of: "bodiesRefused",
  },
  { name: "engineio_front_upgrades_total", help: "Upgrades to websocket that came to the front", of: "upgrades" },
];

/** The listener of requests about health and metrics, in the primary process. */
export function primaryOperations(primary: OperatedPrimary): ReturnType<typeof answering> {
  const registry = new Registry();
  for (const { name, help, of } of FRONT_METRICS) {
    const counter = new Counter({
      name,
      help,
      registers: [registry],
      collect: () => {
        counter.reset();
        counter.inc(primary.frontCounters?.[of] ?? 0);
      },
    });
  }
  return answering({
    readiness: async () => readinessOf(primary.workerNames, await primary.reports("readiness"), !primary.stopping),
    metrics: async () => metricsText(await primary.reports("metrics"), await registry.getMetricsAsJSON()),
    contentType: registry.contentType,
  });
}
