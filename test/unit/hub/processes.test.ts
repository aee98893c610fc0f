import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { hubEnvironment } from "../../../src/hub/environment";
import { HubPrimary } from "../../../src/hub/primary";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Ear, LIMITS, livingNodes, say, worker } from "./hub-kit";

function start(address: { path: string; token: string }, node: string, mode = "stay"): ChildProcess {
  return fork(join(__dirname, "worker-process.ts"), [mode], {
    execArgv: ["--import", "tsx"],
    env: { ...process.env, ...hubEnvironment(address), NODE_NAME: node },
  });
}

async function says(child: ChildProcess, expected: string): Promise<void> {
  const [message] = (await Promise.race([once(child, "message"), once(child, "exit")])) as unknown[];
  assert.equal(message, expected);
}

describe("hub between processes", () => {
  it("ends the lease of a killed worker at once, and tells who sends to it", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const address = await primary.listen();
    const survivor = await worker(address);
    const ear = new Ear();
    await survivor.bus.join("survivor", ear);
    const child = start(address, "victim");
    try {
      await says(child, "ready");
      assert.deepEqual(await livingNodes(survivor.store, "survivor"), ["survivor", "victim"]);
      say(survivor.bus, "victim", "hello");
      child.kill("SIGKILL");
      // It had sent to the victim: so it is told without having to send again.
      await ear.hears("nobody is victim");
      assert.deepEqual(await livingNodes(survivor.store, "survivor"), ["survivor"]);
      ear.heard.length = 0;
      say(survivor.bus, "victim", "hello again");
      await ear.hears("nobody is victim");
    } finally {
      child.kill("SIGKILL");
      await survivor.client.close();
      await primary.close();
    }
  });

  for (const mode of ["close", "close the parts"]) {
    it(`lets a worker exit by itself once its client is closed: ${mode}`, async () => {
      const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
      const child = start(await primary.listen(), "brief", mode);
      try {
        const exit = once(child, "exit");
        await says(child, "closed");
        assert.deepEqual(await exit, [0, null]);
      } finally {
        child.kill("SIGKILL");
        await primary.close();
      }
    });
  }

  it("tells the workers when the primary is gone", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const child = start(await primary.listen(), "orphan");
    try {
      await says(child, "ready");
      const exit = once(child, "exit");
      const lost = says(child, "lost");
      await primary.close();
      await lost;
      assert.deepEqual(await exit, [0, null]);
    } finally {
      child.kill("SIGKILL");
      await primary.close();
    }
  });
});
