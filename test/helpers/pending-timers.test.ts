import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";

const pendingTimers = createRequire(__filename)("./pending-timers.cjs") as () => Record<string, number>;

/** This file's own process: its timers are all that there are. */
const pause = promisify(setTimeout);

test("timers are counted by their duration until they run or are stopped, also those that keep no process", async () => {
  const before = pendingTimers();
  const long = setTimeout(() => undefined, 70_001).unref();
  const other = setTimeout(() => undefined, 70_001);
  assert.deepEqual(pendingTimers(), { ...before, 70001: 2 });
  clearTimeout(other);
  clearTimeout(other);
  assert.deepEqual(pendingTimers(), { ...before, 70001: 1 });
  clearTimeout(long);
  await new Promise<void>((resolve) => setTimeout(resolve, 3));
  await pause(3);
  assert.deepEqual(pendingTimers(), before);
});
