import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterEach, describe, test } from "node:test";
import type { KitNode } from "../../testing/kit-node";
import { accountOf, FaultWorld, SERVE, SOAK } from "../faults/fault-world";
import { assertSpread } from "../helpers/spread";
import { RawWebSocket } from "./raw";

/** Websockets that a node is given before it leaves, beside those that clients have behind nginx. */
const WEBSOCKETS = SOAK ? 50 : 32;
const DRAIN = SOAK ? 8_000 : 6_000;
/** In the first half of its time a node closes its websockets. */
const WINDOW = DRAIN / 2;
/**
 * For how long a node may stand still while it closes its websockets, beside what this process itself did: they share the machine.
 * Beside the floods of another test it was more than 800 ms, 400 of them here.
 */
const STALL = 800;
const NANOS_PER_MS = 1e6;
/** What the longest silence may be, and what 99 in 100 may be. */
const SILENCE = 1_000;
const P99 = 500;
const CLOSES = /1001|1012/;

describe("rolling restart", () => {
  let world: FaultWorld | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = undefined;
  });

  /** Those of its own sessions that are here, and those that it holds for others. */
  const websocketsAt = async (node: KitNode): Promise<number> => {
    const polling = new Set(world!.polling.sids());
    const { sids, stats } = await accountOf(node);
    const { relays = 0, gateways = 0 } = stats?.sizes ?? {};
    return sids.filter((sid) => !polling.has(sid)).length - relays + gateways;
  };

  /** SIGTERM, and what becomes of the websockets there; then the next process. */
  const restart = async (node: KitNode): Promise<void> => {
    const mine = await Promise.all(Array.from({ length: WEBSOCKETS }, () => RawWebSocket.session(node.url)));
    const others = (await websocketsAt(node)) - WEBSOCKETS;
    const delay = monitorEventLoopDelay();
    delay.enable();
    const since = performance.now();
    const closes = mine.map(async ({ websocket }) => {
      const code = await websocket.closed;
      return { code, at: performance.now() - since };
    });
    const { code, signal } = await node.terminate();
    const took = performance.now() - since;
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, node.logs());
    const ends = await Promise.all(closes);
    for (const end of ends) assert.match(String(end.code), CLOSES);
    delay.disable();
    const stoodStill = Math.round(delay.max / NANOS_PER_MS);
    const times = ends.map(({ at }) => at);
    console.log(
      `node ${node.number} left in ${Math.round(took)} ms; its websockets closed at ${times.map(Math.round).join(", ")} ms, ` +
        `and ${others} of clients behind nginx; this process stood still for ${stoodStill} ms`,
    );
    assertSpread(times, { window: WINDOW, others, stall: STALL + stoodStill });
    await node.start();
  };

  test("every node in turn, by SIGTERM: polling goes on, websockets end with 1001 one by one, no request is answered an error", async () => {
    world = await FaultWorld.start({
      command: SERVE.command,
      env: { ...SERVE.env, DRAIN_TIMEOUT: String(DRAIN) },
    });
    world.websocketsMayEnd = true;
    for (const node of world.kit.nodes) {
      await world.goesOn(3);
      await restart(node);
    }
    await world.goesOn(3);
    // "transport close": a websocket's client left when it was told to.
    const reasons = ["taken over", "forced close", "transport close"];
    for (const node of world.kit.nodes) {
      for (const { reason } of (await accountOf(node)).closes) assert.ok(reasons.includes(reason), reason);
    }
    for (const load of [world.websockets, world.upgraded]) {
      const { closes } = load.verdict();
      assert.ok(closes.length > 0, "no websocket of a client behind nginx was closed");
      for (const close of closes) assert.match(close, CLOSES);
    }
    await world.ends({ silence: SILENCE, p99: P99 });
  });
});
