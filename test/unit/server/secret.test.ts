import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NatsConnection } from "nats";
import { serversElsewhere, type NatsTarget } from "../../../src/bus/nats/target";
import { resolveTuning, type ClusterTuning } from "../../../src/cluster-options";
import { OptionError, Server } from "../../../src/index";

const SECRET = "0123456789abcdef";
const REMOTE = "nats://user:hunter2@nats.example:4222";

/** A server that is told off in its constructor, or joins nothing: nobody listens there. */
function make(nats: NatsTarget, secret?: ClusterTuning["secret"]): Server {
  const redis = { host: "127.0.0.1", port: 1 };
  return new Server({ cluster: { redis, nats, ...(secret === undefined ? {} : { secret }) } });
}

async function accepted(nats: NatsTarget, secret?: ClusterTuning["secret"]): Promise<void> {
  const server = make(nats, secret);
  server.ready().catch(() => undefined);
  server.cluster?.on("error", () => undefined);
  server.close();
  await server.closed();
}

describe("a cluster without a secret", () => {
  const elsewhere: readonly (readonly [NatsTarget, string])[] = [
    [REMOTE, "nats.example:4222"],
    ["tls://10.0.0.1", "10.0.0.1"],
    ["nats://localhost:4222, nats://[2001:db8::1]:4222", "[2001:db8::1]:4222"],
    [{ servers: ["127.0.0.1", "nats"] }, "nats"],
    ["nats://127.0.0.1.example", "127.0.0.1.example"],
    ["nats://localhost.example", "localhost.example"],
    ["0.0.0.0", "0.0.0.0"],
    [{ publish: 0, subscribe: 0, getServer: () => "10.1.2.3:4222" } as unknown as NatsConnection, "10.1.2.3:4222"],
  ];
  for (const [nats, named] of elsewhere) {
    test(`is refused where NATS is ${named}`, () => {
      assert.deepEqual(serversElsewhere(nats), [named]);
      assert.throws(
        () => make(nats),
        (error: Error) =>
          error.message.includes(`NATS at ${named} `) &&
          /cluster\.secret \(CLUSTER_SECRET\).*openssl rand.*false \(CLUSTER_SECRET=off\)/.test(error.message) &&
          !error.message.includes("hunter2"),
      );
    });
  }

  const here: readonly NatsTarget[] = [
    "nats://localhost:4222",
    "nats://u:p@127.0.0.1:4222",
    "tls://127.1.2.3",
    "nats://[::1]:4222",
    "nats://[::ffff:127.0.0.1]:4222",
    "nats://nats.localhost",
    { port: 4222 },
    { servers: ["localhost", "127.0.0.1:4223"] },
  ];
  for (const nats of here) {
    test(`is let be where NATS is on this machine: ${JSON.stringify(nats)}`, async () => {
      assert.deepEqual(serversElsewhere(nats), []);
      await accepted(nats);
    });
  }

  test("is let be where that is said, and so is one with a secret", async () => {
    await accepted("nats://192.0.2.1:1", false);
    await accepted("nats://192.0.2.1:1", SECRET);
    await accepted("nats://192.0.2.1:1", ["fedcba9876543210", SECRET]);
  });
});

describe("a secret", () => {
  test("may be one or several, of 16 characters or more each", () => {
    const resolved = (secret: ClusterTuning["secret"]) => resolveTuning({ secret: secret! }, 25_000, 20_000).secret;
    assert.deepEqual(resolved(SECRET), [SECRET]);
    assert.deepEqual(resolved([SECRET, "fedcba9876543210"]), [SECRET, "fedcba9876543210"]);
    assert.equal(resolved(false), false);
    assert.equal(resolveTuning({}, 25_000, 20_000).secret, undefined);
  });

  test("that cannot be meant is refused, and never shown", () => {
    for (const secret of ["hunter2", "", [], [SECRET, "hunter2"], true, 17, null, [17]] as unknown[]) {
      assert.throws(
        () => resolveTuning({ secret } as ClusterTuning, 25_000, 20_000),
        (error) => error instanceof OptionError && /cluster\.secret is not shown; .*16/.test(error.message),
      );
    }
  });
});
