import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { runCommand } from "../../cluster/command";
import { examine, type DoctorOptions } from "../../cluster/doctor/doctor";
import type { Finding, Report, Verdict } from "../../cluster/doctor/finding";
import { Kit } from "../../testing/kit";
import { startServe } from "../helpers/cluster";
import { replaced, startShipped, type BalancerKind, type ShippedBalancer } from "../helpers/shipped-balancers";

const SECRET = "only the doctor knows this";
const PATH = "/engine.io";

/** Every check that finds nothing wrong. */
const ALL_OK: Readonly<Record<string, Verdict>> = {
  reach: "ok",
  spread: "ok",
  answers: "ok",
  "GET again": "ok",
  "POST again": "ok",
  "large POST": "ok",
  "503 again": "ok",
  websocket: "ok",
  upgrade: "ok",
  "idle poll": "ok",
  "idle socket": "ok",
};

function verdicts(report: Report): Record<string, Verdict> {
  return Object.fromEntries(report.findings.map(({ check, verdict }) => [check, verdict]));
}

function finding(report: Report, check: string): Finding {
  const found = report.findings.find((one) => one.check === check);
  assert.ok(found !== undefined, `no ${check} in ${JSON.stringify(report, undefined, 1)}`);
  return found;
}

describe("doctor, at three nodes of serve", () => {
  let kit: Kit;
  let balancer: ShippedBalancer | undefined;

  before(async () => {
    kit = await Kit.start({
      app: join(__dirname, "../helpers/ready-app.cjs"),
      links: false,
      env: { DOCTOR_SECRET: SECRET, HEALTH_PORT: "0", PING_INTERVAL: "1500", PING_TIMEOUT: "3000" },
    });
  });

  after(() => kit.stop());

  afterEach(async () => {
    await balancer?.stop();
    balancer = undefined;
  });

  const behind = async (kind: BalancerKind, edit?: (text: string) => string): Promise<ShippedBalancer> =>
    (balancer = await startShipped(kind, {
      upstreams: kit.nodes.map(({ port }) => port),
      ...(edit === undefined ? {} : { edit }),
    }));

  const look = async (at: ShippedBalancer, options: Partial<DoctorOptions> = {}): Promise<Report> => {
    const report = await examine({
      url: new URL(at.url),
      path: PATH,
      secret: SECRET,
      nodes: [],
      quick: true,
      ...options,
    });
    const advised = report.findings.filter(({ verdict }) => verdict === "failed" || verdict === "warning");
    for (const { advice, check } of advised) assert.ok(advice !== undefined, check);
    return report;
  };

  const healthOf = (number: number): URL => {
    const [, port] =
      [
        ...kit
          .node(number)
          .logs()
          .matchAll(/"port":(\d+),"msg":"health and metrics"/g),
      ].at(-1) ?? [];
    assert.ok(port !== undefined, kit.node(number).logs());
    return new URL(`http://127.0.0.1:${port}`);
  };

  test("nginx as it is shipped: all is well", async () => {
    const report = await look(await behind("nginx"), { quick: false, nodes: [0, 1, 2].map(healthOf) });
    assert.deepEqual(verdicts(report), { node: "ok", ...ALL_OK }, JSON.stringify(report, undefined, 1));
    assert.equal(report.ok, true);
    assert.match(finding(report, "spread").what, /12 of 12 requests of one session were answered by 3 nodes/);
  });

  test("haproxy as it is shipped: all is well, but for large POSTs", async () => {
    const report = await look(await behind("haproxy"), { quick: false });
    assert.deepEqual(verdicts(report), { ...ALL_OK, "large POST": "warning" }, JSON.stringify(report, undefined, 1));
    assert.equal(report.ok, true);
  });

  test("Caddy as it is shipped: POSTs are not sent again", async () => {
    const report = await look(await behind("caddy"));
    const { "GET again": get, "POST again": post, "503 again": refused } = verdicts(report);
    assert.deepEqual([get, post, refused], ["ok", "failed", "warning"], JSON.stringify(report, undefined, 1));
  });

  test("a balancer that sends GETs again and no POSTs", async () => {
    const report = await look(await behind("nginx", (text) => replaced(text, " http_503 non_idempotent", "")));
    const { "GET again": get, "POST again": post, "503 again": refused, websocket } = verdicts(report);
    assert.deepEqual([get, post, refused, websocket], ["ok", "failed", "warning", "ok"]);
    assert.equal(report.ok, false);
    assert.match(finding(report, "POST again").what, /ended 502/);
  });

  test("a balancer that lets no websocket pass", async () => {
    const report = await look(await behind("nginx", (text) => replaced(text, /.*proxy_set_header Upgrade.*\n/, "")));
    const { websocket, upgrade, spread, "POST again": post } = verdicts(report);
    assert.deepEqual([websocket, upgrade, spread, post], ["failed", "failed", "ok", "ok"]);
    assert.match(finding(report, "websocket").what, /answered 400/);
  });

  test("a balancer that does not let a poll be silent", async () => {
    const short = (text: string): string => replaced(text, "proxy_read_timeout 60s", "proxy_read_timeout 400ms");
    const report = await look(await behind("nginx", short), { quick: false });
    assert.equal(finding(report, "idle poll").verdict, "failed", JSON.stringify(report, undefined, 1));
    assert.match(finding(report, "idle poll").what, /ended after \d+ ms: 504/);
    assert.equal(finding(report, "idle socket").verdict, "failed");
  });

  test("without the secret, or with another one, nobody's connection is broken", async () => {
    const nginx = await behind("nginx");
    for (const secret of [undefined, "another secret of somebody"]) {
      const report = await look(nginx, { secret });
      assert.equal(finding(report, "retries").verdict, "warning");
      assert.equal(finding(report, "spread").verdict, "ok");
      assert.equal(report.ok, true);
    }
  });

  test("one node is down: told by its own port; its sessions are served if the balancer goes to the next", async () => {
    const nodes = [0, 1, 2].map(healthOf);
    await kit.node(2).kill();
    try {
      const right = await look(await behind("nginx"), { nodes });
      assert.deepEqual(
        right.findings.filter(({ check }) => check === "node").map(({ verdict }) => verdict),
        ["ok", "ok", "failed"],
      );
      assert.equal(finding(right, "spread").verdict, "ok");
      await balancer?.stop();
      const bare = (text: string): string =>
        replaced(text, /proxy_next_upstream error.*;/g, "proxy_next_upstream off;");
      const probe = "/";
      balancer = await startShipped("nginx", { upstreams: kit.nodes.map(({ port }) => port), edit: bare, probe });
      const wrong = await withLuck(() => look(balancer!));
      assert.equal(finding(wrong, "spread").verdict, "failed");
      assert.match(finding(wrong, "spread").what, /502/);
    } finally {
      await kit.node(2).start();
    }
  });

  test("the command: a report for people or programs, and an exit code", async () => {
    const nginx = await behind("nginx");
    const run = async (...args: string[]): Promise<[code: number, out: string, error: string]> => {
      let out = "";
      let error = "";
      const code = await runCommand(["doctor", ...args], {
        environment: { DOCTOR_SECRET: SECRET },
        out: (text) => (out += text),
        error: (text) => (error += text),
        serve: () => Promise.reject(new Error("not asked for")),
      });
      return [code, out, error];
    };
    const [code, text] = await run(nginx.url, "--quick");
    assert.equal(code, 0);
    assert.match(text, /^ok +POST again +a POST whose node broke the connection was answered by another one$/m);
    const [failed, json] = await run(nginx.url, "--quick", "--json", "--path", "/nowhere", "--node", kit.node(0).url);
    assert.equal(failed, 1);
    const report = JSON.parse(json) as Report;
    assert.equal(report.ok, false);
    assert.equal(finding(report, "reach").verdict, "failed");
    const [usage, , error] = await run("example.org");
    assert.equal(usage, 2);
    assert.match(error, /"example.org" is no URL/);
  });
});

/** The first request, the one that looks whether anybody is there, may be the one that comes to the dead node. */
async function withLuck(look: () => Promise<Report>): Promise<Report> {
  for (;;) {
    const report = await look();
    if (finding(report, "reach").verdict === "ok") return report;
  }
}

test("doctor: nodes that are no cluster do not know each other's sessions", async () => {
  const nodes = await Promise.all([startServe(), startServe(), startServe()]);
  const balancer = await startShipped("nginx", { upstreams: nodes.map(({ port }) => port) });
  try {
    const url = new URL(balancer.url);
    const report = await examine({ url, path: PATH, secret: undefined, nodes: [], quick: true });
    assert.equal(finding(report, "spread").verdict, "failed");
    assert.match(finding(report, "spread").advice ?? "", /they are no cluster/);
  } finally {
    await balancer.stop();
    await Promise.all(nodes.map((node) => node.process.kill()));
  }
});
