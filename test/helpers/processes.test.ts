import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startProcess, type RunningProcess } from "./processes";
import { waitFor } from "./wait-for";

const node = (script: string): RunningProcess => startProcess(process.execPath, ["-e", script], { name: "child" });

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("processes for tests", () => {
  test("waits for what one prints, on either output", async () => {
    const child = node('console.error("port 1234"); setInterval(() => {}, 1000)');
    assert.equal((await child.prints(/port (\d+)/))[1], "1234");
    assert.deepEqual(await child.stop(), { code: null, signal: "SIGTERM" });
    assert.equal(child.running, false);
  });

  test("one that ends before it prints is an error at once, with its output", async () => {
    const child = node('console.log("out of order"); process.exit(7)');
    await assert.rejects(child.prints(/ready/), /"code":7[^]*out of order/);
  });

  test("a command that is not there is an error", async () => {
    await assert.rejects(startProcess("no-such-command-here", []).prints(/ready/), /no-such-command-here ended/);
  });

  test("one that was paused is stopped all the same", async () => {
    const child = node('process.on("SIGTERM", () => process.exit(3)); console.log("up"); setInterval(() => {}, 1000)');
    await child.prints(/up/);
    child.signal("SIGSTOP");
    assert.deepEqual(await child.stop(), { code: 3, signal: null });
  });

  test("one that does not end in time is killed, and that is an error", async () => {
    const child = node('process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)');
    await child.prints(/up/);
    await assert.rejects(child.stop(50), /did not end within 50 ms/);
    assert.equal(isRunning(child.pid), false);
  });

  test("all are dead when the process that started them is", async () => {
    const helper = JSON.stringify(require.resolve("./processes"));
    const script = `
      const { startProcess } = require(${helper});
      const child = startProcess("sleep", ["60"]);
      console.log("pid", child.pid);
      setImmediate(() => { throw new Error("a test failed"); });`;
    const parent = startProcess(process.execPath, ["--import", "tsx", "-e", script], { name: "parent" });
    const pid = Number((await parent.prints(/pid (\d+)/))[1]);
    assert.equal((await parent.ended).code, 1);
    await waitFor("the child to be gone", () => !isRunning(pid));
  });
});
