import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PATHS } from "../../src/operations/handler";
import { assertFlawless, startLoad } from "../helpers/checked-load";
import { randomPrefix } from "../helpers/cluster";
import { startBackends, type Backends } from "../e2e/backends";
import { RawWebSocket } from "../e2e/raw";
import { base, image, ROOT } from "./manifests";
import { Pod, type ProbeResult } from "./pod";
import { startShippedNginx } from "./shipped-nginx";

const SESSIONS = 40;
/** A message of each session every so many milliseconds. */
const EVERY = 200;
/** Two at a pod that leaves: the second closes in the middle of the time for it. */
const WEBSOCKETS = 2;

const conditions = (readiness: string): Record<string, boolean> =>
  (JSON.parse(readiness) as { conditions: Record<string, boolean> }).conditions;

/** Exit code of the image's HEALTHCHECK, with the variables that it would have. */
function healthCheck(healthPort: string): number | null {
  const [, text = ""] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(image().text) ?? [];
  const [command = "", ...args] = JSON.parse(text) as string[];
  const env = { PATH: process.env["PATH"] ?? "", HEALTH_PORT: healthPort };
  return spawnSync(command, args, { env, timeout: 20_000 }).status;
}

describe("the image's entry point in a pod", () => {
  let backends: Backends;
  let env: Record<string, string>;
  const pods: Pod[] = [];

  before(async () => {
    backends = await startBackends();
    env = {
      REDIS_URL: backends.redis.url,
      NATS_URL: backends.nats.url,
      PREFIX: randomPrefix(),
      APP: join(ROOT, "test/helpers/app.cjs"),
    };
  });

  after(async () => {
    await Promise.all(pods.map((pod) => pod.process.kill()));
    await backends.stop();
  });

  test("is alive and not ready before Redis and NATS are there; then joins, and is", async () => {
    await backends.redis.kill();
    await backends.nats.kill();
    const pod = await Pod.start({ name: "pod 0", env });
    pods.push(pod);
    await pod.untilProbed("startup", 200);
    const { body } = await pod.untilProbed("readiness", 503);
    assert.deepEqual(conditions(body), {
      joined: false,
      lease: false,
      store: false,
      bus: false,
      staying: true,
      serving: false,
    });
    assert.equal((await pod.ask(PATHS.alive)).status, 200);
    await backends.redis.restart();
    await backends.nats.restart();
    await pod.untilReady();
    const joined = conditions((await pod.ask(PATHS.ready)).body);
    assert.ok(Object.values(joined).every(Boolean), JSON.stringify(joined));
    assert.equal((await fetch(`${pod.url}/__test/stats`)).status, 200);
  });

  test("the image's health check holds while it is alive, and not elsewhere", () => {
    assert.equal(healthCheck(new URL(pods[0]!.healthUrl).port), 0);
    assert.equal(healthCheck("1"), 1);
    assert.equal(healthCheck("off"), 0, "there is none to ask: not a reason to call it unhealthy");
  });

  test("leaves within its grace period behind the nginx of the repository: no polling session notices", async () => {
    pods.push(...(await Promise.all(["pod 1", "pod 2"].map((name) => Pod.startReady({ name, env })))));
    await pods[0]!.untilReady();
    const leaving = pods[0]!;
    const nginx = await startShippedNginx(pods.map(({ port }) => port));
    const load = startLoad({ url: nginx.url, sessions: SESSIONS, messages: Infinity, everyMs: EVERY });
    try {
      await load.opened;
      await load.whenEchoed(3 * SESSIONS);
      const websockets = await Promise.all(Array.from({ length: WEBSOCKETS }, () => RawWebSocket.session(leaving.url)));
      const seen = watch(leaving);
      const end = await leaving.terminate();
      const closes = await Promise.all(websockets.map(({ websocket }) => websocket.closed));
      await load.whenEchoed(load.verdict().echoed + 3 * SESSIONS);
      load.finish();
      const verdict = await load.done;
      assertFlawless(verdict);
      assert.deepEqual(closes, [1001, 1001]);
      assert.equal(end.killed, false, leaving.process.logs());
      assert.equal(end.code, 0, leaving.process.logs());
      const { lifecycle } = base().container;
      console.log(
        `gone after ${Math.round(end.took)} ms, ${lifecycle.preStop.exec.command.join(" ")} included; ` +
          `longest silence ${verdict.longestSilenceMs} ms`,
      );
      const answers = await seen;
      assert.ok(answers.before.length > 0 && answers.before.every((status) => status === 200), "ready during preStop");
      assert.ok(answers.ready.length > 0 && answers.ready.every((status) => status === 503), "not ready at all after");
      assert.ok(answers.alive.length > 0 && answers.alive.every((status) => status === 200), "alive until the end");
    } finally {
      load.abort();
      await nginx.stop();
    }
    assert.deepEqual(nginx.refused(), []);
    const liveness = pods.flatMap(({ probes }) => probes.filter(({ probe }) => probe === "liveness"));
    assert.deepEqual(liveness.filter(({ status }: ProbeResult) => status !== 200).length, 0);
  });
});

interface Seen {
  /** Readiness between the beginning of the end and SIGTERM. */
  readonly before: number[];
  /** Readiness and life from SIGTERM on. */
  readonly ready: number[];
  readonly alive: number[];
}

/** What a pod answers while it goes, until it answers nothing more. */
async function watch(pod: Pod): Promise<Seen> {
  const seen: Seen = { before: [], ready: [], alive: [] };
  while (pod.endedAt === undefined) {
    const early = pod.terminatedAt === undefined;
    const ready = await pod.ask(PATHS.ready);
    const alive = await pod.ask(PATHS.alive);
    // What was asked across SIGTERM, or across the process's end, is neither.
    if (pod.process.running && early === (pod.terminatedAt === undefined)) {
      if (early) seen.before.push(ready.status);
      else if (alive.status !== 0) {
        seen.ready.push(ready.status);
        seen.alive.push(alive.status);
      }
    }
    await sleep(50);
  }
  return seen;
}
