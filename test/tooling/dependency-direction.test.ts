import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";

const ROOT = join(__dirname, "../..");

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

/** Every file of a tiny package with the same rooms, and what each imports. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  "src/index.ts": ["./compose", "./server/engine"],
  "src/index.mts": ["./index.js"],
  "src/compose.ts": ["./server/engine", "./store/redis/adapter", "./bus/hub/adapter", "./store/memory/adapter"],
  "src/errors.ts": [],
  "src/options.ts": ["./protocol/codec"],
  "src/protocol/codec.ts": [],
  "src/protocol/upward.ts": ["../time/clock"],
  "src/protocol/io.ts": ["node:net"],
  "src/time/clock.ts": [],
  "src/telemetry/counters.ts": [],
  "src/telemetry/curious.ts": ["../session/socket"],
  "src/transports/polling.ts": ["../protocol/codec", "../time/clock"],
  "src/transports/knows-store.ts": ["../store/port"],
  "src/store/port.ts": ["../protocol/codec"],
  "src/store/knows-bus.ts": ["../bus/port"],
  "src/store/memory/adapter.ts": ["../port", "../../time/clock"],
  "src/store/memory/knows-redis.ts": ["../redis/adapter"],
  "src/store/redis/adapter.ts": ["../port"],
  "src/store/redis/knows-session.ts": ["../../session/socket"],
  "src/store/hub/adapter.ts": ["../port", "../../hub/client"],
  "src/bus/port.ts": ["../store/port"],
  "src/bus/frame.ts": [],
  "src/bus/hub/adapter.ts": ["../port", "../../hub/client"],
  "src/bus/nats/knows-hub.ts": ["../../hub/client"],
  "src/hub/client.ts": ["../bus/frame", "../store/port", "../time/clock"],
  "src/hub/primary.ts": ["../store/memory/adapter"],
  "src/hub/knows-redis.ts": ["../store/redis/adapter"],
  "src/session/socket.ts": ["../transports/polling", "../store/port", "../protocol/codec"],
  "src/session/knows-adapter.ts": ["../store/memory/adapter"],
  "src/session/cycle-a.ts": ["./cycle-b"],
  "src/session/cycle-b.ts": ["./cycle-a"],
  "src/ownership/membership.ts": ["../store/port", "../bus/port"],
  "src/ownership/upward.ts": ["../routing/ask"],
  "src/routing/ask.ts": ["../session/socket", "../ownership/membership"],
  "src/routing/upward.ts": ["../server/engine"],
  "src/server/engine.ts": ["../routing/ask", "../errors"],
  "src/server/knows-compose.ts": ["../compose"],
  "src/novelty/thing.ts": ["../time/clock"],
  "cluster/worker.ts": ["../src/index", "../src/hub/client", "../src/time/clock"],
  "cluster/peeks.ts": ["../src/session/socket"],
  "bench/run.ts": ["../src/index"],
  "bench/peeks.ts": ["../src/hub/client"],
  "testing/kit.ts": ["./nginx"],
  "testing/nginx.ts": [],
  "testing/peeks.ts": ["../src/index"],
  "testing/tested.ts": ["../test/helper"],
  "test/helper.ts": ["../testing/nginx"],
  "src/server/tests-itself.ts": ["../../testing/nginx"],
  "cluster/tests-itself.ts": ["../testing/nginx"],
};

/** What the check must find in it, and it must find nothing else. */
const EXPECTED = [
  "protocol-imports-only-what-is-below: src/protocol/upward.ts -> src/time/clock.ts",
  "protocol-imports-nothing: src/protocol/upward.ts -> src/time/clock.ts",
  "protocol-imports-nothing: src/protocol/io.ts -> net",
  "telemetry-imports-only-what-is-below: src/telemetry/curious.ts -> src/session/socket.ts",
  "transports-imports-only-what-is-below: src/transports/knows-store.ts -> src/store/port.ts",
  "store-imports-only-what-is-below: src/store/knows-bus.ts -> src/bus/port.ts",
  "store-adapter-imports-only-what-is-below: src/store/memory/knows-redis.ts -> src/store/redis/adapter.ts",
  "store-adapter-imports-only-what-is-below: src/store/redis/knows-session.ts -> src/session/socket.ts",
  "bus-adapter-imports-only-what-is-below: src/bus/nats/knows-hub.ts -> src/hub/client.ts",
  "hub-imports-only-what-is-below: src/hub/knows-redis.ts -> src/store/redis/adapter.ts",
  "hub-imports-no-adapter-but-the-memory-store: src/hub/knows-redis.ts -> src/store/redis/adapter.ts",
  "session-imports-only-what-is-below: src/session/knows-adapter.ts -> src/store/memory/adapter.ts",
  "only-compose-imports-adapters: src/session/knows-adapter.ts -> src/store/memory/adapter.ts",
  // A cycle is reported once, at its first file.
  "no-cycles: src/session/cycle-a.ts -> src/session/cycle-b.ts",
  "ownership-imports-only-what-is-below: src/ownership/upward.ts -> src/routing/ask.ts",
  "routing-imports-only-what-is-below: src/routing/upward.ts -> src/server/engine.ts",
  "server-imports-only-what-is-below: src/server/knows-compose.ts -> src/compose.ts",
  "every-file-of-src-has-a-room: src/novelty/thing.ts -> src/time/clock.ts",
  "cluster-imports-only-what-is-below: cluster/peeks.ts -> src/session/socket.ts",
  "bench-imports-only-what-is-below: bench/peeks.ts -> src/hub/client.ts",
  "testing-imports-only-what-is-below: testing/peeks.ts -> src/index.ts",
  "testing-imports-only-what-is-below: testing/tested.ts -> test/helper.ts",
  "server-imports-only-what-is-below: src/server/tests-itself.ts -> testing/nginx.ts",
  "cluster-imports-only-what-is-below: cluster/tests-itself.ts -> testing/nginx.ts",
];

describe("the check of dependency direction", () => {
  let folder = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "deps-"));
    for (const [file, imports] of Object.entries(FILES)) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true });
      // Imports of types, since one of those is enough for a room to know another.
      const lines = imports.map((from, i) => `import type * as imported${i} from "${from}";`);
      const uses = imports.map((_, i) => `export type Use${i} = typeof imported${i};`);
      await writeFile(path, [...lines, ...uses, "export const here = true;", ""].join("\n"));
    }
    const tsconfig = { compilerOptions: { module: "node16", moduleResolution: "node16" } };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    await writeFile(join(folder, "package.json"), JSON.stringify({ name: "fixture", type: "commonjs" }));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  test("finds each forbidden import and no other", async () => {
    assert.deepEqual((await cruise(folder)).sort(), [...EXPECTED].sort());
  });
});

async function cruise(folder: string): Promise<string[]> {
  const cli = join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const config = join(ROOT, ".dependency-cruiser.cjs");
  const args = [cli, "--config", config, "--output-type", "json", "src", "cluster", "testing", "bench"];
  const output = await new Promise<string>((resolve, reject) => {
    // Its exit code counts the violations in some output types; the JSON is what is judged.
    execFile(process.execPath, args, { cwd: folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (stdout.startsWith("{")) resolve(stdout);
      else reject(new Error(`dependency-cruiser said: ${stderr}`, { cause: error }));
    });
  });
  const report = JSON.parse(output) as { summary: { violations: Violation[] } };
  return report.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
}
