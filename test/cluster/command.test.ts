import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCommand } from "../../cluster/command";
import type { Config } from "../../cluster/config";
import { SETTINGS, type Setting } from "../../cluster/settings";
import { FatalError } from "../../cluster/fatal";
import { serve } from "../../cluster/serve";

interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly error: string;
  readonly served: readonly Config[];
}

async function run(args: string[], environment: Record<string, string> = {}, failure?: Error): Promise<Run> {
  let out = "";
  let error = "";
  const served: Config[] = [];
  const exitCode = await runCommand(args, {
    environment,
    out: (text) => (out += text),
    error: (text) => (error += text),
    serve: (config) => {
      served.push(config);
      return failure === undefined ? Promise.resolve(0) : Promise.reject(failure);
    },
  });
  return { exitCode, out, error, served };
}

describe("engine.io-cluster", () => {
  test("serve reads options and environment", async () => {
    const { exitCode, served } = await run(["serve", "--workers", "2", "--ping-interval=50"], { PORT: "0" });
    assert.equal(exitCode, 0);
    assert.equal(served.length, 1);
    assert.equal(served[0]!.workers, 2);
    assert.equal(served[0]!.pingInterval, 50);
    assert.equal(served[0]!.port, 0);
  });

  test("--per-message-deflate: with a value, or without one for yes", async () => {
    const given = async (...args: string[]): Promise<boolean | undefined> =>
      (await run(["serve", ...args], { PER_MESSAGE_DEFLATE: "1" })).served[0]?.perMessageDeflate;
    assert.equal(await given("--per-message-deflate", "--workers", "2"), true);
    assert.equal(await given("--per-message-deflate=0"), false);
    assert.equal(await given("--per-message-deflate", "1"), true);
    assert.equal(await given("--per-message-deflate", "no"), undefined);
  });

  test("--help tells every option with its variable and its default, and ends with 0", async () => {
    const { exitCode, out } = await run(["serve", "--help"]);
    assert.equal(exitCode, 0);
    const words = out.replace(/\s+/g, " ");
    for (const spec of Object.values<Setting<unknown>>(SETTINGS)) {
      assert.ok(words.includes(spec.variable), spec.variable);
      if (spec.flag !== undefined) assert.ok(words.includes(spec.flag), spec.flag);
    }
    assert.match((await run(["--version"])).out, /^\d+\.\d+\.\d+\n$/);
  });

  test("a NATS elsewhere without a secret ends it with 2, before anything is asked of it", async () => {
    let error = "";
    const io = { environment: {}, out: () => undefined, error: (text: string) => void (error += text), serve };
    const urls = ["--redis", "redis://127.0.0.1:1", "--nats", "nats://192.0.2.1"];
    assert.equal(await runCommand(["serve", "--workers", "1", "--port", "0", ...urls], io), 2);
    assert.match(error, /NATS at 192\.0\.2\.1 is not on this machine.*CLUSTER_SECRET.*openssl/);
  });

  test("bad values end it with 2, before anything is started", async () => {
    const { exitCode, error, served } = await run(["serve", "--port", "http"], { WORKERS: "many" });
    assert.equal(exitCode, 2);
    assert.deepEqual(error.split("\n"), [
      'error: WORKERS is "many"; allowed is a whole number from 1 to 256',
      'error: --port is "http"; allowed is a whole number from 0 to 65535',
      "",
    ]);
    assert.deepEqual(served, []);
  });

  for (const args of [["serve", "--sticky"], ["serve", "--port"], ["serve", "extra"], ["run"], []]) {
    test(`"${args.join(" ")}" is not understood: 2`, async () => {
      const { exitCode, error, served } = await run(args);
      assert.equal(exitCode, 2);
      assert.notEqual(error, "");
      assert.deepEqual(served, []);
    });
  }

  test("what cannot be started is told without a stack, with its own exit code", async () => {
    const { exitCode, error } = await run(["serve"], {}, new FatalError("the app does not load", 2));
    assert.equal(exitCode, 2);
    assert.equal(error, "error: the app does not load\n");
  });
});
