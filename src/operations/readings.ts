import type { Sample } from "./sample";

/** Labels of one value, and the value. */
export type Value = readonly [labels: Readonly<Record<string, string>>, value: number];

/** One metric: how it is called, and how it is read out of what the node counts anyway. */
export interface Reading {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: (sample: Sample) => readonly Value[];
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

function one(value: number | undefined): readonly Value[] {
  return value === undefined ? [] : [[NO_LABELS, value]];
}

/** Values of the counts `prefix.x`, by x. */
function byLabel(counts: Readonly<Record<string, number>>, prefix: string, label: string): readonly Value[] {
  const start = `${prefix}.`;
  return Object.entries(counts)
    .filter(([name]) => name.startsWith(start))
    .map(([name, value]) => [{ [label]: name.slice(start.length) }, value]);
}

function fromMap(counts: ReadonlyMap<string, number>, label: string): readonly Value[] {
  return [...counts].map(([name, value]) => [{ [label]: name }, value]);
}

const health: Reading = {
  name: "engineio_ready",
  kind: "gauge",
  help: "1 where this condition of readiness holds, else 0. Only in a cluster",
  labels: ["condition"],
  read: ({ cluster }) => {
    if (cluster === undefined) return [];
    const { joined, lease, store, bus, leaving } = cluster.health();
    const conditions = { joined, lease, store, bus, staying: !leaving };
    return Object.entries(conditions).map(([condition, holds]) => [{ condition }, holds ? 1 : 0]);
  },
};

const sessions: readonly Reading[] = [
  {
    name: "engineio_sessions",
    kind: "gauge",
    help: "Sessions by transport. owner=here: this node's own, which sum up over the nodes to all there are; owner=elsewhere: websockets that this node holds for sessions of others",
    labels: ["transport", "owner"],
    read: ({ polling, websocket, cluster }) => [
      [{ transport: "polling", owner: "here" }, polling],
      [{ transport: "websocket", owner: "here" }, websocket],
      [{ transport: "websocket", owner: "elsewhere" }, cluster?.vitals?.gateways ?? 0],
    ],
  },
  {
    name: "engineio_relayed_sessions",
    kind: "gauge",
    help: "Sessions of this node whose websocket another node holds",
    labels: [],
    read: ({ cluster }) => one(cluster?.vitals?.relays),
  },
  {
    name: "engineio_sessions_opened_total",
    kind: "counter",
    help: "Sessions that began here",
    labels: [],
    read: ({ events }) => one(events.opened),
  },
  {
    name: "engineio_sessions_adopted_total",
    kind: "counter",
    help: "Sessions that this node went on with",
    labels: [],
    read: ({ events }) => one(events.adopted),
  },
  {
    name: "engineio_sessions_closed_total",
    kind: "counter",
    help: "Sessions that ended here, by reason. taken over: the session lives on at another node",
    labels: ["reason"],
    read: ({ events }) => fromMap(events.closes, "reason"),
  },
  {
    name: "engineio_refused_requests_total",
    kind: "counter",
    help: "Requests answered with one of the engine's errors, by its text",
    labels: ["reason"],
    read: ({ events }) => fromMap(events.refusals, "reason"),
  },
  {
    name: "engineio_buffered_packets",
    kind: "gauge",
    help: "Packets that wait in the write buffers of this node's sessions",
    labels: [],
    read: ({ bufferedPackets }) => one(bufferedPackets),
  },
  {
    name: "engineio_buffer_bytes",
    kind: "gauge",
    help: "What those packets carry: bytes, and for text characters",
    labels: [],
    read: ({ bufferedSize }) => one(bufferedSize),
  },
];

const limits: readonly Reading[] = [
  {
    name: "engineio_limits_hit_total",
    kind: "counter",
    help: "How often a limit was met, by limit. requests, sessions, sessionsPerAddress, bodyBytes, bodySize, bodyTimeout: a request was refused; sends: a send to a session; writeBuffer: a session was closed; storeQueue, busQueue: a command or message was not sent; relayedSize: the client of a websocket whose session is another node's was not read on for a while; linkWindow: what one node had to say to another for websockets, or sends and POSTs, waited for a while",
    labels: ["limit"],
    read: ({ load, events, refusedSends, cluster, counts, links, store, busDropped }) => {
      const { refused } = load;
      const everywhere = { ...refused, writeBuffer: events.overflowed };
      const queues = { storeQueue: store["refused"] ?? 0, busQueue: busDropped ?? 0 };
      const waits = { relayedSize: counts["relayPauses"] ?? 0, linkWindow: links["congestions"] ?? 0 };
      const inCluster = { sends: refusedSends, ...queues, ...waits };
      const all = cluster === undefined ? everywhere : { ...everywhere, ...inCluster };
      return Object.entries(all).map(([limit, value]) => [{ limit }, value]);
    },
  },
  {
    name: "engineio_requests_under_way",
    kind: "gauge",
    help: "HTTP requests of the engine that are not answered, polls that wait included. Only in a cluster",
    labels: [],
    read: ({ load, cluster }) => (cluster === undefined ? [] : one(load.requests)),
  },
  {
    name: "engineio_body_bytes",
    kind: "gauge",
    help: "Bytes of the bodies of POSTs that are being read, or held until they are answered",
    labels: [],
    read: ({ load }) => one(load.bodyBytes),
  },
];

const requests: readonly Reading[] = [
  {
    name: "engineio_requests_total",
    kind: "counter",
    help: "Polls and POSTs of known form that came to this node. locality=local: it owns the session",
    labels: ["kind", "locality"],
    read: ({ cluster, counts }) =>
      cluster === undefined
        ? []
        : ["poll", "post"].flatMap((kind) =>
            ["local", "remote"].map((locality): Value => [{ kind, locality }, counts[`${kind}s.${locality}`] ?? 0]),
          ),
  },
  {
    name: "engineio_held_requests",
    kind: "gauge",
    help: "Requests that wait at this node for an answer; kind=send: sends to sessions from here",
    labels: ["kind"],
    read: ({ cluster }) => {
      const vitals = cluster?.vitals;
      if (vitals === undefined) return [];
      const { heldPolls, heldPosts, heldSends } = vitals;
      return [
        [{ kind: "poll" }, heldPolls],
        [{ kind: "post" }, heldPosts],
        [{ kind: "send" }, heldSends],
      ];
    },
  },
  {
    name: "engineio_parked_polls",
    kind: "gauge",
    help: "Polls that wait, at any node, for packets of sessions owned here",
    labels: [],
    read: ({ cluster }) => one(cluster?.vitals?.parkedPolls),
  },
  {
    name: "engineio_asks_repeated_total",
    kind: "counter",
    help: "Requests that were put to an owner again, by why",
    labels: ["why"],
    read: ({ counts }) => byLabel(counts, "repeats", "why"),
  },
  {
    name: "engineio_duplicates_suppressed_total",
    kind: "counter",
    help: "Polls, POSTs and sends that came again to their owner and were not done again",
    labels: ["kind"],
    read: ({ cluster, counts }) => (cluster === undefined ? [] : byLabel(counts, "duplicates", "kind")),
  },
  {
    name: "engineio_relayed_frames_total",
    kind: "counter",
    help: "Frames of relayed websockets that this node got from others. direction=fromClient: as the owner; toClient: as the holder of the websocket",
    labels: ["direction"],
    read: ({ cluster, counts }) => (cluster === undefined ? [] : byLabel(counts, "relayFrames", "direction")),
  },
];

/** Counts of a node that are there by one name each, and are 0 until they are first raised. */
function counted(name: string, help: string, read: (sample: Sample) => number | undefined): Reading {
  return {
    name,
    kind: "counter",
    help,
    labels: [],
    read: (sample) => (sample.cluster === undefined ? [] : one(read(sample) ?? 0)),
  };
}

const cluster: readonly Reading[] = [
  counted(
    "engineio_takeovers_total",
    "Sessions that this node claimed because their owner was dead",
    (sample) => sample.counts["takeovers"],
  ),
  counted(
    "engineio_handovers_total",
    "Sessions that this node claimed because their owner left",
    (sample) => sample.counts["handovers"],
  ),
  counted(
    "engineio_turns_refused_total",
    "Sessions that this node gave up because the store refused its turn: another node owns them, or they are over",
    (sample) => sample.counts["lost"],
  ),
  counted(
    "engineio_withdrawals_total",
    "How often this node, alone cut off from Redis or NATS, broke its connections and gave its polling sessions up",
    (sample) => sample.counts["withdrawals"],
  ),
  counted(
    "engineio_records_restored_total",
    "Records written again that the store had lost",
    (sample) => sample.counts["restores"],
  ),
  counted(
    "engineio_owner_lookups_total",
    "Looks into the store for who owns a session",
    (sample) => sample.counts["looks"],
  ),
  counted("engineio_link_losses_total", "Losses noticed on links to other nodes", (sample) => sample.links["losses"]),
  counted(
    "engineio_messages_rejected_total",
    "Messages of other nodes that were not of this cluster, version or secret, or too long",
    (sample) => sample.links["rejected"],
  ),
  {
    name: "engineio_bus_messages_total",
    kind: "counter",
    help: "Messages between nodes, without beats",
    labels: ["direction"],
    read: ({ cluster: face, links }) =>
      face === undefined
        ? []
        : [
            [{ direction: "sent" }, links["messagesSent"] ?? 0],
            [{ direction: "received" }, links["messagesReceived"] ?? 0],
          ],
  },
  {
    name: "engineio_bus_frames_total",
    kind: "counter",
    help: "What those messages carried: all frames of a tick to one node are one message",
    labels: ["direction"],
    read: ({ cluster: face, links }) =>
      face === undefined
        ? []
        : [
            [{ direction: "sent" }, links["framesSent"] ?? 0],
            [{ direction: "received" }, links["framesReceived"] ?? 0],
          ],
  },
  {
    name: "engineio_bus_round_trip_seconds",
    kind: "gauge",
    help: "Time to NATS and back, measured for this scrape. Missing where NATS does not answer, and in embedded mode",
    labels: [],
    read: ({ busRoundTrip }) => one(busRoundTrip),
  },
  counted("engineio_store_calls_total", "Commands sent to the store", (sample) => sample.store["calls"]),
  counted("engineio_store_operations_total", "Operations that those carried", (sample) => sample.store["scripts"]),
  counted(
    "engineio_turns_total",
    "Turns that were sent to the store to be committed",
    (sample) => sample.store["commits"],
  ),
  counted(
    "engineio_store_failures_total",
    "Commands that the store answered too late or not at all, and those not sent since too many waited",
    (sample) => sample.store["failed"],
  ),
  {
    name: "engineio_nodes",
    kind: "gauge",
    help: "Nodes of the cluster that hold a lease, as this node knows it, itself included",
    labels: [],
    read: ({ cluster: face }) => (face === undefined ? [] : one(face.nodes.length + 1)),
  },
];

/** All metrics but the histogram of the store's latency and those of the process. */
export const READINGS: readonly Reading[] = [health, ...sessions, ...limits, ...requests, ...cluster];
