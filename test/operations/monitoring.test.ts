import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { FRONT_METRICS } from "../../cluster/primary-operations";
import { CLOSE_REASONS } from "../../src/operations/engine-events";
import { PATHS } from "../../src/operations/handler";
import { READINGS } from "../../src/operations/readings";
import { STORE_LATENCY } from "../../src/operations/store-latency";
import { startBackends, type Backends } from "../e2e/backends";
import { RawClient } from "../e2e/raw";
import { randomPrefix, startServe, type ServeProcess } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";
import { find, manifestFiles, ROOT } from "./manifests";
import { readMetrics } from "./metrics-kit";

/** Labels that a scrape adds, and those of histograms and of several workers. */
const SCRAPED = new Set(["namespace", "pod", "instance", "job", "le", "worker"]);

interface Named {
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
  readonly values: readonly (readonly [label: string, value: string])[];
}

/** The metrics, labels and values of labels that an expression of Prometheus names. */
function namedIn(expression: string): Named {
  const matchers = [...expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)];
  const grouped = [...expression.matchAll(/\b(?:by|without)\s*\(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(",").map((label) => label.trim()),
  );
  const rest = expression
    .replace(/\{[^}]*\}/g, " ")
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/\b(?:by|without)\s*\([^)]*\)/g, " ");
  const metrics = [...rest.matchAll(/[a-zA-Z_:][\w:]*(?!\w|\s*\()/g)].map(([name]) => name);
  const values = matchers.flatMap(([, label = "", value = ""]) =>
    value.startsWith("$") ? [] : value.split("|").map((one) => [label, one] as const),
  );
  return { metrics, labels: [...grouped, ...matchers.map(([, label = ""]) => label)], values };
}

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(readFileSync(join(ROOT, "deploy/grafana/engine-io-cluster.json"), "utf8")) as {
  readonly panels: readonly Panel[];
};
const rules = (
  find([...manifestFiles().values()].flat(), "PrometheusRule", "engine").spec as {
    groups: {
      rules: {
        alert: string;
        expr: string;
        for?: string;
        annotations: { summary: string };
        labels: { severity: string };
      }[];
    }[];
  }
).groups.flatMap((group) => group.rules);
const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...rules.map(({ expr }) => expr),
];
const operating = readFileSync(join(ROOT, "docs/operating.md"), "utf8");
const ours = [...READINGS, ...FRONT_METRICS].map(({ name }) => name).concat(STORE_LATENCY);

describe("what is watched", () => {
  let backends: Backends;
  let served: ServeProcess;
  let scraped = "";
  const prefix = randomPrefix();

  before(async () => {
    backends = await startBackends();
    served = await startServe({ workers: 2, ...backends.urls, env: { HEALTH_PORT: "0", PREFIX: prefix } });
    await new RawClient("nobody").poll(served.url);
    const [, port = ""] = /"port":(\d+),"msg":"health and metrics"/.exec(served.logs()) ?? [];
    scraped = await waitFor("the metrics of both workers", async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}${PATHS.metrics}`)).text();
      return text.includes('worker="w1"') && text.includes('worker="w2"') && text;
    });
  });

  after(async () => {
    await served.kill();
    await backends.stop();
  });

  test("names in an expression are found", () => {
    assert.deepEqual(namedIn('sum by (a, le) (rate(m_total{b=~"x|y",ns="$ns"}[5m])) / max(other) > 0.1'), {
      metrics: ["m_total", "other"],
      labels: ["a", "le", "b", "ns"],
      values: [
        ["b", "x"],
        ["b", "y"],
      ],
    });
  });

  test("each metric of the dashboard and of the alerts is one that a running node has", () => {
    const there = new Set([...scraped.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
    const all = expressions.flatMap((expression) => namedIn(expression).metrics);
    assert.ok(all.length > 50);
    for (const name of all) {
      const base = name.replace(/_(bucket|sum|count)$/, "");
      assert.ok(there.has(name) || (there.has(base) && base === STORE_LATENCY), name);
    }
  });

  test("each label and each of its values is one that there is", () => {
    const labels = new Set([...SCRAPED, ...READINGS.flatMap((reading) => reading.labels)]);
    const seen = new Set(
      readMetrics(scraped).flatMap((line) => Object.entries(line.labels).map(([label, value]) => `${label}=${value}`)),
    );
    for (const reason of CLOSE_REASONS) seen.add(`reason=${reason}`);
    for (const expression of expressions) {
      const { labels: used, values } = namedIn(expression);
      for (const label of used) assert.ok(labels.has(label), `${label} in ${expression}`);
      for (const [label, value] of values)
        assert.ok(SCRAPED.has(label) || seen.has(`${label}=${value}`), `${label}=${value} in ${expression}`);
    }
  });

  test("expressions are closed, and legends name labels that the expression keeps", () => {
    for (const expression of expressions) {
      for (const [open, close] of [
        ["(", ")"],
        ["{", "}"],
        ["[", "]"],
      ] as const)
        assert.equal(expression.split(open).length, expression.split(close).length, expression);
    }
    for (const { title, targets = [] } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          assert.ok(namedIn(expr).labels.includes(label), `${title}: ${label}`);
      }
    }
  });

  test("an alert that waits, waits for longer than it looks back: else a single event is one", () => {
    const minutes = (text: string | undefined): number => Number(/^(\d+)m$/.exec(text ?? "")?.[1]);
    const counting = rules.filter(({ expr }) => /rate\(.*\) > 0$/.test(expr));
    assert.ok(counting.length >= 3);
    for (const { alert, expr, for: wait } of counting) {
      const window = minutes(/\[(\w+)\]/.exec(expr)?.[1]);
      assert.ok(minutes(wait) > window, `${alert}: ${wait ?? "at once"}, and ${window} minutes back`);
    }
  });

  test("the dashboard has its rows, and shows every metric of ours", () => {
    const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title);
    assert.deepEqual(rows, ["Traffic", "Latency", "Takeovers and failures", "Store", "Bus", "Limits", "Processes"]);
    const shown = dashboard.panels
      .flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namedIn(expr).metrics))
      .join(" ");
    assert.deepEqual(
      ours.filter((name) => !shown.includes(name)),
      [],
    );
  });

  test("each metric of ours, and each alert with what it means, is in docs/operating.md", () => {
    for (const name of ours) assert.ok(operating.includes(`| \`${name}\``), name);
    for (const { alert, annotations, labels } of rules) {
      assert.match(operating, new RegExp(`^\\| \`${alert}\``, "m"), alert);
      assert.ok(annotations.summary.length > 10 && ["warning", "critical"].includes(labels.severity), alert);
    }
    for (const [, alert = ""] of operating.matchAll(/^\| `(Engine\w+)`/gm))
      assert.ok(
        rules.some((rule) => rule.alert === alert),
        `${alert} is no alert`,
      );
  });

  test("what a session takes in Redis is what docs/operating.md says", async () => {
    const redis = new Redis(backends.redis.url);
    const bytes = async (sid: string): Promise<number> => {
      const keys = await redis.keys(`${prefix}{${sid}}:*`);
      const sizes = await Promise.all(keys.map((key) => redis.call("MEMORY", "USAGE", key, "SAMPLES", "0")));
      return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
    };
    try {
      const client = new RawClient(await openAsBrowser(served.url));
      const [, fresh = ""] = /a session that has just begun (?:\w+ ){0,4}about ([\d,]+) bytes/.exec(operating) ?? [];
      const [, busy = ""] = /one that has exchanged many messages (?:\w+ ){0,4}about ([\d,]+)/.exec(operating) ?? [];
      close("fresh", await bytes(client.sid), fresh);
      for (let i = 0; i < 80; i++) {
        await client.post(served.url, "4hello");
        await client.poll(served.url);
      }
      close("busy", await bytes(client.sid), busy);
    } finally {
      redis.disconnect();
    }
  });
});

/** Within a third: versions of Redis differ. */
function close(what: string, measured: number, told: string): void {
  const figure = Number(told.replaceAll(",", ""));
  console.log(`${what}: ${measured} bytes, docs/operating.md says ${told}`);
  assert.ok(figure > 0 && Math.abs(measured - figure) < figure / 3, `${what}: ${measured} bytes, and not ${told}`);
}

async function openAsBrowser(url: string): Promise<string> {
  const headers = {
    "user-agent":
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "accept-language": "en-GB,en;q=0.9",
    referer: "https://app.example/",
    origin: "https://app.example",
    cookie: "id=0123456789abcdef0123456789abcdef; theme=dark",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
  };
  const response = await fetch(`${url}/engine.io/?EIO=4&transport=polling&t=browser`, { headers });
  return (JSON.parse((await response.text()).slice(1)) as { sid: string }).sid;
}
