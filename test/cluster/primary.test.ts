import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Restarts } from "../../cluster/restarts";
import { until } from "../helpers/until";
import { LineProcess } from "./helpers/line-process";

function primary(t: TestContext, environment: NodeJS.ProcessEnv = {}): LineProcess {
  const file = join(__dirname, "helpers", "primary-process.ts");
  return LineProcess.start(t, file, [], { PORT: "0", HOST: "127.0.0.1", WORKERS: "2", ...environment });
}

async function address(started: LineProcess): Promise<string> {
  const [line] = await started.logged(/^listening$/);
  return `http://127.0.0.1:${String(line!["port"])}/`;
}

/** Name and pid of the worker that answers. */
async function ask(url: string): Promise<{ readonly name: string; readonly pid: number }> {
  const response = await fetch(url);
  const [name = "", pid] = (await response.text()).split(" ");
  return { name, pid: Number(pid) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("how long a crashed worker waits", () => {
  test("not at all at first, then twice as long each time, up to a bound", () => {
    const restarts = new Restarts();
    const delays = Array.from({ length: 10 }, () => restarts.delayAfter(5));
    assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  test("one that was in service for a while starts anew", () => {
    const restarts = new Restarts();
    for (let i = 0; i < 5; i++) restarts.delayAfter(5);
    assert.equal(restarts.delayAfter(60_000), 0);
    assert.equal(restarts.delayAfter(5), 100);
  });
});

// Most of its time it waits, for processes and for bounds to pass.
describe("primary", { concurrency: 3 }, () => {
  test("a killed worker is replaced at once, under its name, while the others serve", async (t) => {
    const started = primary(t);
    const url = await address(started);
    const victim = await ask(url);
    process.kill(victim.pid, "SIGKILL");
    assert.notEqual((await ask(url)).pid, victim.pid);
    const [ended] = await started.logged(/worker ended/);
    assert.equal(ended!["worker"], victim.name);
    assert.equal(ended!["signal"], "SIGKILL");
    assert.equal(ended!["delay"], 0);
    await started.logged(/worker ready/, 3);
    const seen = [await ask(url), await ask(url)];
    assert.deepEqual(seen.map(({ name }) => name).sort(), ["w1", "w2"]);
    assert.ok(!seen.some(({ pid }) => pid === victim.pid));
  });

  test("a paused worker gets no requests, and gets them again when it runs", async (t) => {
    const started = primary(t);
    const url = await address(started);
    const [paused, other] = [await ask(url), await ask(url)];
    process.kill(paused.pid, "SIGSTOP");
    // One of these lands on the paused worker and is answered by the other one once it is known to stand still.
    const answers = await Promise.all([ask(url), ask(url)]);
    assert.deepEqual(
      answers.map(({ pid }) => pid),
      [other.pid, other.pid],
    );
    await started.logged(/worker does not answer/);
    process.kill(paused.pid, "SIGCONT");
    await started.logged(/worker answers again/);
    const pids = new Set([(await ask(url)).pid, (await ask(url)).pid]);
    assert.deepEqual(pids, new Set([paused.pid, other.pid]));
  });

  test("one that cannot start is tried again and again, ever slower", async (t) => {
    const started = primary(t, { STAND_IN: "w2=crash" });
    const ended = await started.logged(/worker ended/, 4);
    assert.deepEqual(
      ended.map(({ worker, code, delay }) => [worker, code, delay]),
      [
        ["w2", 7, 0],
        ["w2", 7, 100],
        ["w2", 7, 200],
        ["w2", 7, 400],
      ],
    );
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 0);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal}: the workers drain, then it ends with 0 and leaves nothing behind`, async (t) => {
      const started = primary(t);
      const url = await address(started);
      const workers = [await ask(url), await ask(url)];
      started.kill(signal);
      assert.equal(await started.exit(), 0);
      for (const { pid } of workers) assert.ok(!isAlive(pid));
      assert.ok(!started.lines.some(({ msg }) => String(msg).includes("worker ended")));
    });
  }

  test("a second signal kills what does not end; one that comes at once is the same one", async (t) => {
    const started = primary(t, { STAND_IN: "w1=stubborn" });
    const url = await address(started);
    const stubborn = [await ask(url), await ask(url)].find(({ name }) => name === "w1")!;
    const first = performance.now();
    started.kill("SIGINT");
    await started.logged(/stopping/);
    started.kill("SIGINT");
    // On a slow machine the second is a second one.
    const atOnce = performance.now() - first < 900;
    await sleep(1100);
    if (atOnce) assert.ok(isAlive(stubborn.pid), "one Ctrl-C can arrive twice");
    started.kill("SIGINT");
    assert.equal(await started.exit(), 130);
    assert.ok(!isAlive(stubborn.pid));
  });

  test("workers that do not drain in time are killed, and the exit code says so", async (t) => {
    const started = primary(t, { STAND_IN: "w1=stubborn", DRAIN_TIMEOUT: "0" });
    await address(started);
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 1);
    await started.logged(/did not end in time/);
  });

  test("a worker that was not yet there to hear that it shall stop is told when it is", async (t) => {
    const started = primary(t, { STAND_IN: "w1=deaf" });
    await address(started);
    const victim = (await started.logged(/worker ready/)).find(({ worker }) => worker === "w1")!;
    process.kill(Number(victim["workerPid"]), "SIGKILL");
    await started.logged(/starting it again/);
    await sleep(300);
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 0);
  });

  test("workers end with a primary that is killed", async (t) => {
    const started = primary(t);
    const url = await address(started);
    const workers = [await ask(url), await ask(url)];
    started.kill("SIGKILL");
    assert.equal(await started.exit(), "SIGKILL");
    await until("the workers are gone", () => !workers.some(({ pid }) => isAlive(pid)));
  });

  test("what no worker can start with ends it at once, with the worker's message and exit code", async (t) => {
    const started = primary(t, { STAND_IN: "w1=fatal w2=fatal" });
    assert.equal(await started.exit(), 2);
    const [line] = await started.logged(/the app does not load/);
    assert.equal(line!["name"], "primary");
  });

  test("a port in use is told, with what to change", async (t) => {
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const started = primary(t, { PORT: String((other.address() as AddressInfo).port) });
    assert.equal(await started.exit(), 1);
    await started.logged(/cannot listen on 127\.0\.0\.1, port \d+ \(--host, --port\): .*EADDRINUSE/);
  });
});
