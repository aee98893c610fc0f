import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { BLOCK, freePort, freePorts } from "./free-port";

/** More than twice a block. */
const PORTS = 100;
const PROGRAM = `
  const { freePorts } = require(${JSON.stringify(join(__dirname, "free-port"))});
  freePorts(${PORTS}).then((ports) => console.log(JSON.stringify(ports)));
  process.stdin.resume();`;

describe("free ports", () => {
  const children: ChildProcess[] = [];

  after(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  async function portsOfAnother(): Promise<number[]> {
    const child = spawn(process.execPath, ["--import", "tsx", "-e", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    return JSON.parse(line) as number[];
  }

  test("are nobody else's while the process lives, and not given twice", async () => {
    const all = (await Promise.all([portsOfAnother(), portsOfAnother(), portsOfAnother(), freePorts(PORTS)])).flat();
    const together = await Promise.all(Array.from({ length: PORTS }, () => freePort()));
    assert.equal(new Set([...all, ...together]).size, 5 * PORTS);
  });

  test("one that somebody listens on is not among them", async () => {
    let port = await freePort();
    // The one behind the last of a block may be another process's.
    while ((port + 1) % BLOCK === 0) port = await freePort();
    const stranger = createServer().listen(port + 1, "127.0.0.1");
    await once(stranger, "listening");
    try {
      assert.ok(!(await freePorts(PORTS)).includes(port + 1));
    } finally {
      stranger.close();
    }
  });

  test("the process that has some ends by itself", async () => {
    const child = spawn(process.execPath, ["--import", "tsx", "-e", PROGRAM], { stdio: ["pipe", "ignore", "inherit"] });
    children.push(child);
    child.stdin.end();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
});
