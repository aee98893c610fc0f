// Writes the Grafana dashboard from the table below: what Grafana wants of a panel is said once.
// With --check: fails when the file is not what the table gives.
import { writeGenerated } from "./lib/generated.mjs";

const RATE = "[$__rate_interval]";
const HERE = `{namespace=~"$namespace"}`;
const EACH = "{{pod}} {{instance}} {{worker}}";
const BY_NODE = "by (pod, instance, worker)";

/** `sum by (label) (rate(...))` of a counter. */
const rates = (metric, by) => [`sum ${by ? `by (${by}) ` : ""}(rate(${metric}${HERE}${RATE}))`, by ? `{{${by}}}` : ""];
const rate = (metric, legend) => [rates(metric)[0], legend];
const perNode = (metric) => [`sum ${BY_NODE} (rate(${metric}${HERE}${RATE}))`, EACH];
const nodeValue = (metric) => [`sum ${BY_NODE} (${metric}${HERE})`, EACH];
/** A panel with a line for each node: its value of `metric`. */
const ofEachNode = (title, unit, metric, about = "") => ({ title, unit, about, targets: [nodeValue(metric)] });
const quantile = (q) => [
  `histogram_quantile(${q}, sum by (le) (rate(engineio_store_seconds_bucket${HERE}${RATE})))`,
  `${q * 100} %`,
];

const ROWS = {
  Traffic: [
    {
      title: "Sessions of the cluster",
      about: "By transport. Each is counted by its owner, so that they sum up to all there are.",
      stack: true,
      targets: [[`sum by (transport) (engineio_sessions{namespace=~"$namespace",owner="here"})`, "{{transport}}"]],
    },
    {
      title: "Sessions by node",
      about: "What the autoscaler goes by. After a restart owners are uneven; requests are not.",
      targets: [[`sum ${BY_NODE} (engineio_sessions{namespace=~"$namespace",owner="here"})`, EACH]],
    },
    {
      title: "Opened and adopted",
      unit: "cps",
      about: "adopted: went on at another node, after a deploy or a death.",
      targets: [rate("engineio_sessions_opened_total", "opened"), rate("engineio_sessions_adopted_total", "adopted")],
    },
    {
      title: "Closed, by reason",
      unit: "cps",
      about: "taken over: lives on at another node. transport error and ping timeout: clients that were lost.",
      stack: true,
      targets: [rates("engineio_sessions_closed_total", "reason")],
    },
    {
      title: "Requests",
      unit: "reqps",
      about: "local: the node that got it owns the session. Of three nodes a third is local.",
      stack: true,
      targets: [[`sum by (kind, locality) (rate(engineio_requests_total${HERE}${RATE}))`, "{{kind}} {{locality}}"]],
    },
    {
      title: "Refused requests, by reason",
      unit: "reqps",
      about: "Session ID unknown: clients that come back after their session ended, or whose record was lost.",
      targets: [rates("engineio_refused_requests_total", "reason")],
    },
    {
      title: "Front of several workers",
      unit: "reqps",
      about: "Only where one serve has several workers.",
      targets: [
        rate("engineio_front_requests_total", "requests"),
        rate("engineio_front_upgrades_total", "upgrades"),
        rate("engineio_front_retries_total", "sent again"),
        rate("engineio_front_failures_total", "not answered"),
      ],
    },
  ],
  Latency: [
    {
      title: "Redis, to an answer",
      unit: "s",
      about: "One command carries all turns of a tick. A POST is answered when its turn is written.",
      targets: [
        quantile(0.5),
        quantile(0.99),
        [
          `sum(rate(engineio_store_seconds_sum${HERE}${RATE})) / sum(rate(engineio_store_seconds_count${HERE}${RATE}))`,
          "mean",
        ],
      ],
    },
    ofEachNode(
      "NATS, there and back",
      "s",
      "engineio_bus_round_trip_seconds",
      "Measured for each scrape. A gap: NATS did not answer.",
    ),
    ofEachNode("Event-loop lag, 99 %", "s", "nodejs_eventloop_lag_p99_seconds", "All else waits for it."),
    {
      title: "Requests that wait",
      about: "Polls wait for packets. POSTs and sends that wait are late: for Redis, or for an owner.",
      targets: [
        [`sum by (kind) (engineio_held_requests${HERE})`, "{{kind}}, where they came"],
        [`sum(engineio_parked_polls${HERE})`, "poll, at its owner"],
      ],
    },
  ],
  "Takeovers and failures": [
    {
      title: "Takeovers and handovers",
      unit: "cps",
      about: "takeover: the owner was dead. handover: it left in good order.",
      targets: [
        rate("engineio_takeovers_total", "takeovers"),
        rate("engineio_handovers_total", "handovers"),
        rate("engineio_turns_refused_total", "turns refused"),
        rate("engineio_withdrawals_total", "withdrawals"),
      ],
    },
    ofEachNode(
      "Nodes, as each node knows them",
      "short",
      "engineio_nodes",
      "All lines are one, but for the seconds in which a node comes or goes.",
    ),
    {
      title: "Nodes that are not ready",
      about: "By the condition that does not hold. staying: the node drains.",
      targets: [[`sum by (condition) (1 - engineio_ready${HERE})`, "{{condition}}"]],
    },
    {
      title: "Asked again, by why",
      unit: "cps",
      about: "Requests that were put to an owner again. poll: the two repeats of a poll that waits for long.",
      targets: [rates("engineio_asks_repeated_total", "why")],
    },
    {
      title: "Duplicates suppressed",
      unit: "cps",
      about: "What a balancer or a node sent again, and was not done again.",
      targets: [rates("engineio_duplicates_suppressed_total", "kind")],
    },
    {
      title: "Look-ups and restored records",
      unit: "cps",
      about: "restored: the store had lost data.",
      targets: [
        rate("engineio_owner_lookups_total", "look-ups"),
        rate("engineio_records_restored_total", "restored records"),
      ],
    },
  ],
  Store: [
    {
      title: "Commands, operations, turns",
      unit: "cps",
      about: "Operations for each command are what batching saves.",
      targets: [
        rate("engineio_store_calls_total", "commands"),
        rate("engineio_store_operations_total", "operations"),
        rate("engineio_turns_total", "turns"),
      ],
    },
    {
      title: "Failures",
      unit: "cps",
      about: "Commands that were answered too late, with an error, or not at all.",
      targets: [perNode("engineio_store_failures_total")],
    },
  ],
  Bus: [
    {
      title: "Messages and frames sent",
      unit: "cps",
      about: "Frames for each message are what batching saves.",
      targets: [
        [`sum(rate(engineio_bus_messages_total{namespace=~"$namespace",direction="sent"}${RATE}))`, "messages"],
        [`sum(rate(engineio_bus_frames_total{namespace=~"$namespace",direction="sent"}${RATE}))`, "frames"],
      ],
    },
    {
      title: "Losses and rejected messages",
      unit: "cps",
      about: "A loss costs a repeated request, and a relayed websocket. rejected: another secret, version or prefix.",
      targets: [rate("engineio_link_losses_total", "losses"), rate("engineio_messages_rejected_total", "rejected")],
    },
    {
      title: "Relayed websockets",
      about: "Held at another node than the session's owner.",
      targets: [
        [`sum(engineio_relayed_sessions${HERE})`, "as the owners count them"],
        [`sum(engineio_sessions{namespace=~"$namespace",owner="elsewhere"})`, "as their holders do"],
      ],
    },
    {
      title: "Relayed frames",
      unit: "cps",
      about: "",
      targets: [rates("engineio_relayed_frames_total", "direction")],
    },
  ],
  Limits: [
    {
      title: "Limits hit",
      unit: "cps",
      about: "By limit. Nothing here is normal, but for bodies of clients that know no limit.",
      targets: [
        rates("engineio_limits_hit_total", "limit"),
        rate("engineio_front_bodies_refused_total", "bodies at the front"),
      ],
    },
    ofEachNode("Requests under way", "short", "engineio_requests_under_way", "Below MAX_REQUESTS."),
    ofEachNode("Bodies that are read or held", "bytes", "engineio_body_bytes"),
    ofEachNode(
      "Write buffers",
      "bytes",
      "engineio_buffer_bytes",
      "What waits for clients. A session's buffer that is over its limit ends the session.",
    ),
    ofEachNode("Packets that wait", "short", "engineio_buffered_packets"),
  ],
  Processes: [
    {
      title: "CPU",
      unit: "percentunit",
      about: "1 is one core, which is all that a node can use.",
      targets: [perNode("process_cpu_seconds_total")],
    },
    ofEachNode("Memory", "bytes", "process_resident_memory_bytes"),
  ],
};

const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const WIDTH = 8;
const HEIGHT = 8;

function panels() {
  const all = [];
  let y = 0;
  for (const [title, charts] of Object.entries(ROWS)) {
    const row = {
      id: all.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y },
      panels: [],
    };
    all.push(row);
    y++;
    for (const [i, chart] of charts.entries()) {
      const x = (i * WIDTH) % 24;
      all.push(panel(all.length + 1, chart, { h: HEIGHT, w: WIDTH, x, y: y + Math.floor((i * WIDTH) / 24) * HEIGHT }));
    }
    y += Math.ceil((charts.length * WIDTH) / 24) * HEIGHT;
  }
  return all;
}

function panel(id, { title, about, unit = "short", stack = false, targets }, gridPos) {
  return {
    id,
    type: "timeseries",
    title,
    description: about,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, custom: { fillOpacity: 10, stacking: { mode: stack ? "normal" : "none" } } },
      overrides: [],
    },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
    targets: targets.map(([expr, legendFormat], i) => ({ refId: String.fromCharCode(65 + i), expr, legendFormat })),
  };
}

const dashboard = {
  uid: "engine-io-cluster",
  title: "engine.io-cluster",
  tags: ["engine.io"],
  editable: true,
  schemaVersion: 39,
  version: 1,
  refresh: "30s",
  time: { from: "now-3h", to: "now" },
  timezone: "browser",
  templating: {
    list: [
      { name: "datasource", type: "datasource", query: "prometheus", label: "Prometheus", hide: 0 },
      {
        name: "namespace",
        type: "query",
        label: "Namespace",
        datasource: DATASOURCE,
        query: "label_values(engineio_sessions, namespace)",
        refresh: 2,
        sort: 1,
        // Outside of Kubernetes there is no such label: all of them is nothing asked of it.
        includeAll: true,
        allValue: ".*",
        current: { text: "All", value: "$__all" },
      },
    ],
  },
  panels: panels(),
};

await writeGenerated("deploy/grafana/engine-io-cluster.json", JSON.stringify(dashboard));
