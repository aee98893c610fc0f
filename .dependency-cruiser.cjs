"use strict";

/**
 * The direction of imports, as docs/design.md draws it:
 *
 *   index -> compose -> server -> routing -> {session, ownership} -> {transports, store, bus, time: ports} -> protocol
 *
 * Each room names what it may import; everything else of this repository is forbidden to it. A room may always
 * import itself. What is forbidden to every room: cycles, adapters, and files that cannot be found.
 */

/** Files at the top of src/ that know tables and types only. */
const TABLES = "^src/(errors|options|option-error|cluster-options|limit-options)\\.ts$";

/** What the hub's messages are written with: the reader and writer of frames, and how a listener's error is reported. */
const FRAMES = "^src/bus/(frame|rethrow)\\.ts$";

/** The files at the top of these rooms: their ports and what all adapters share, not the adapters beneath. */
const ports = (...rooms) => rooms.map((room) => `^src/${room}/[^/]+$`);

/** Whole rooms. */
const rooms = (...names) => names.map((name) => `^src/${name}/`);

const ROOMS = [
  { name: "protocol", from: "^src/protocol/", may: [] },
  { name: "telemetry", from: "^src/telemetry/", may: [] },
  { name: "time", from: "^src/time/", may: [] },
  // Tables may name the words of the protocol and the ports whose instances a user can hand over, nothing that does work.
  { name: "tables", from: TABLES, may: [TABLES, ...rooms("protocol")] },
  { name: "transports", from: "^src/transports/", may: rooms("protocol", "time", "telemetry") },
  { name: "store", from: "^src/store/[^/]+$", may: rooms("protocol", "time", "telemetry") },
  // The bus carries node ids, and nothing else of the store.
  { name: "bus", from: "^src/bus/[^/]+$", may: ["^src/store/port\\.ts$", ...rooms("time", "telemetry")] },
  {
    name: "hub",
    from: "^src/hub/",
    may: [FRAMES, "^src/store/port\\.ts$", "^src/store/memory/", ...rooms("time", "telemetry")],
  },
  {
    name: "store-adapter",
    from: "^src/store/(memory|redis)/",
    itself: "^src/store/$1/",
    may: ["^src/store/[^/]+$", ...rooms("time", "telemetry")],
  },
  {
    name: "store-hub-adapter",
    from: "^src/store/hub/",
    may: ["^src/store/[^/]+$", FRAMES, ...rooms("hub", "time", "telemetry")],
  },
  {
    name: "bus-adapter",
    from: "^src/bus/(memory|nats)/",
    itself: "^src/bus/$1/",
    may: ["^src/bus/[^/]+$", "^src/store/port\\.ts$", ...rooms("time", "telemetry")],
  },
  {
    name: "bus-hub-adapter",
    from: "^src/bus/hub/",
    may: ["^src/bus/[^/]+$", "^src/store/port\\.ts$", ...rooms("hub", "time", "telemetry")],
  },
  {
    name: "session",
    from: "^src/session/",
    may: [TABLES, ...ports("store", "bus"), ...rooms("transports", "time", "protocol", "telemetry")],
  },
  {
    name: "ownership",
    from: "^src/ownership/",
    may: [TABLES, ...ports("store", "bus"), ...rooms("transports", "time", "protocol", "telemetry")],
  },
  {
    name: "routing",
    from: "^src/routing/",
    may: [
      TABLES,
      ...ports("store", "bus"),
      ...rooms("session", "ownership", "transports", "time", "protocol", "telemetry"),
    ],
  },
  {
    name: "server",
    from: "^src/server/",
    may: [
      TABLES,
      ...ports("store", "bus"),
      ...rooms("routing", "session", "ownership", "transports", "time", "protocol", "telemetry"),
    ],
  },
  // Makes a node of its parts, whatever adapters they are (compose.ts and the simulation hand them in), and its face.
  {
    name: "wiring",
    from: "^src/(wiring|cluster-face)\\.ts$",
    may: [
      TABLES,
      ...ports("store", "bus"),
      ...rooms("routing", "session", "ownership", "transports", "time", "protocol", "telemetry"),
    ],
  },
  // Health and metrics look at a node and its engine, which know nothing of it.
  {
    name: "operations",
    from: "^src/operations/",
    may: ["^src/cluster-face\\.ts$", TABLES, ...rooms("session", "protocol", "time", "telemetry")],
  },
  // compose.ts imports what it wires, everything but the public face above it.
  { name: "compose", from: "^src/compose\\.ts$", may: ["^src/(?!index\\.)"] },
  {
    name: "index",
    from: "^src/(index\\.m?|api\\.)ts$",
    may: [
      "^src/(index|api)\\.ts$",
      "^src/(compose|cluster-face)\\.ts$",
      TABLES,
      ...ports("store", "bus"),
      ...rooms(
        "operations",
        "server",
        "routing",
        "session",
        "ownership",
        "transports",
        "time",
        "protocol",
        "telemetry",
      ),
    ],
  },
  // The runnable is a user of the package, but for the hub, since the primary keeps the records of its workers, and for
  // health and metrics, which it gathers from them.
  { name: "cluster", from: "^cluster/", may: ["^src/(index|options)\\.ts$", ...rooms("hub", "time", "operations")] },
  { name: "bench", from: "^bench/", may: ["^src/index\\.ts$"] },
  // Looks at nodes from outside, as an application's tests do: by their processes and what they answer.
  { name: "testing", from: "^testing/", may: [] },
];

/** One rule per room, where `itself` is the room where `from` names several, $1 being the one at hand: of this repository's code it imports itself and what it may. */
const roomRules = ROOMS.map(({ name, from, itself = from, may }) => ({
  name: `${name}-imports-only-what-is-below`,
  severity: "error",
  from: { path: from },
  to: { path: "^(src|cluster|bench|testing|test|scripts)/", pathNot: [itself, ...may] },
}));

module.exports = {
  forbidden: [
    ...roomRules,
    {
      name: "every-file-of-src-has-a-room",
      comment: "A new folder gets a line in the table above, and with it a place in the direction.",
      severity: "error",
      from: { path: "^src/", pathNot: ROOMS.map(({ from }) => from) },
      to: {},
    },
    {
      name: "only-compose-imports-adapters",
      severity: "error",
      from: { path: "^(src|cluster|bench)/", pathNot: ["^src/compose\\.ts$", "^src/(store|bus)/[^/]+/", "^src/hub/"] },
      to: { path: "^src/(store|bus)/[^/]+/" },
    },
    {
      name: "hub-imports-no-adapter-but-the-memory-store",
      severity: "error",
      from: { path: "^src/hub/" },
      to: { path: "^src/(store|bus)/[^/]+/", pathNot: "^src/store/memory/" },
    },
    {
      name: "protocol-imports-nothing",
      comment: "Pure functions of bytes: no I/O, no packages.",
      severity: "error",
      from: { path: "^src/protocol/" },
      to: { pathNot: "^src/protocol/" },
    },
    {
      name: "clients-of-servers-stay-in-their-adapters",
      comment: "No type of Redis or NATS crosses a port. Tables and the public face name them in options only.",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/(store/redis|bus/nats)/", "^src/(compose|index|cluster-options)\\.ts$"] },
      to: { path: "node_modules/(ioredis|nats)/" },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-packages-of-development",
      comment: "What is published must find its packages among the dependencies.",
      severity: "error",
      from: { path: "^(src|cluster|testing)/" },
      // A peer is among the packages of development too: its users install it, and so do we.
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only", "npm-peer"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|coverage|\\.build)/" },
    // Imports of types count: they are how one room comes to know another.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".mts", ".js", ".mjs", ".cjs", ".json"] },
  },
};
