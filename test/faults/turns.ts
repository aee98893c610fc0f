import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { SOAK, type FaultWorld } from "./fault-world";

const RESTART_AFTER = 2_000;
/** How long the deaths go on at least: in the soak a whole minute. */
const LASTS = SOAK ? 60_000 : 0;

/** What 99 silences in 100 are shorter than, in milliseconds, whatever ends. */
export const P99 = SOAK ? 500 : 1_500;

/** kill -9 of each node in turn, started again after 2 s; all of them once, and again until the time is over. */
export async function killInTurn(world: FaultWorld): Promise<void> {
  const until = performance.now() + LASTS;
  do {
    for (const node of world.kit.nodes) {
      await node.kill();
      await sleep(RESTART_AFTER);
      await node.start();
      await world.goesOn(1);
    }
  } while (performance.now() < until);
}

/** SIGTERM of each node in turn, started again when it has ended, as it should. */
export async function restartInTurn(world: FaultWorld): Promise<void> {
  for (const node of world.kit.nodes) {
    const end = await node.terminate();
    assert.deepEqual(end, { code: 0, signal: null }, node.logs());
    await node.start();
    await world.goesOn(SOAK ? 5 : 3);
  }
}
