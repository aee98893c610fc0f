import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { flagName, SETTINGS, type Setting } from "../../cluster/settings";
import { startBackends, type Backends } from "../e2e/backends";
import { freePorts } from "../helpers/free-port";
import { startNginx } from "../helpers/nginx";
import { startProcess, type RunningProcess } from "../helpers/processes";
import { ChatClient } from "../helpers/socket-io-clients";
import { waitFor } from "../helpers/wait-for";
import { ROOT } from "./manifests";

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const settings = Object.values<Setting<unknown>>(SETTINGS);

const documents = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`),
  ...readdirSync(join(ROOT, "examples"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `examples/${name}`),
];

/** The anchors of a document, as GitHub makes them of its headings. */
const anchorsOf = (name: string): string[] =>
  [...read(name).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe("the documents", () => {
  test("links go to files that are there, and to headings of theirs", () => {
    let links = 0;
    for (const name of documents) {
      for (const [, target = ""] of read(name).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? name : join(dirname(name), path);
        assert.ok(existsSync(join(ROOT, file)), `${name}: ${target}`);
        if (anchor !== undefined) assert.ok(anchorsOf(file).includes(anchor), `${name}: ${target}`);
        links++;
      }
    }
    assert.ok(links > 50);
  });

  test("tests that documents name are there", () => {
    const files = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" });
    const folders = readdirSync(join(ROOT, "test")).join("|");
    const named = new RegExp(`\`(?:test/)?((?:${folders})/[\\w./-]*)\``, "g");
    let names = 0;
    for (const name of documents) {
      for (const [, test = ""] of read(name).matchAll(named)) {
        // `cluster/` is a folder of the sources too.
        const there =
          existsSync(join(ROOT, test)) ||
          files.some((file) => [test, `${test}.ts`, `${test}.test.ts`].includes(file) || `${file}/` === test);
        assert.ok(there, `${name}: ${test}`);
        names++;
      }
    }
    assert.ok(names > 50);
  });

  test("docs/configuration.md has every setting, with what is allowed", () => {
    const page = read("docs/configuration.md").replaceAll("\\|", "|");
    for (const spec of settings) {
      const row = page.split("\n").find((line) => line.startsWith(`| \`${spec.variable}\` `));
      assert.ok(row, spec.variable);
      assert.ok(row.includes(spec.about) && row.includes(spec.allowed), spec.variable);
    }
  });

  test("the README's short table names settings by their variables and options", () => {
    const rows = [...read("README.md").matchAll(/^\| (?:`(--[\w-]+)`)? +\| `([A-Z_]+)` /gm)];
    assert.ok(rows.length > 20);
    for (const [, flag, variable] of rows) {
      const spec = settings.find((setting) => setting.variable === variable);
      assert.ok(spec, variable);
      assert.equal(flag, flagName(spec), variable);
    }
  });

  test("npm run scripts that documents name exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const name of ["README.md", "CONTRIBUTING.md", "docs/operating.md", "docs/configuration.md"])
      for (const [, script = ""] of read(name).matchAll(/npm run ([\w:]+)/g)) assert.ok(script in scripts, script);
  });
});

describe("the program of docs/socketio.md", () => {
  const text = /```js\n(\/\/ server\.mjs\n[\s\S]*?)```/.exec(read("docs/socketio.md"))?.[1] ?? "";
  const stops: (() => unknown)[] = [];
  let backends: Backends;
  let folder = "";

  before(async () => {
    backends = await startBackends();
    folder = mkdtempSync(join(tmpdir(), "socketio-document-"));
    writeFileSync(join(folder, "server.mjs"), text);
    // What its user has installed: this package, and what it imports besides.
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules/engine.io-cluster"));
    for (const name of ["socket.io", "@socket.io", "redis"])
      symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await backends.stop();
  });

  async function serve(port: number): Promise<RunningProcess> {
    const urls = { REDIS_URL: backends.urls.redisUrl, NATS_URL: backends.urls.natsUrl };
    const env = { ...urls, PORT: String(port), HEALTH_PORT: "0" };
    const started = startProcess(process.execPath, ["server.mjs"], { cwd: folder, env, name: "server" });
    stops.push(() => started.kill());
    await started.prints(/listening on/);
    return started;
  }

  test("SIGTERM ends a node of it with 0; its clients connect anew at the other one, and hear each other", async () => {
    const ports = await freePorts(2);
    const nginx = await startNginx({ upstreams: ports });
    stops.push(() => nginx.stop());
    const first = await serve(ports[0]!);
    const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];
    const clients = kinds.map((transports) => new ChatClient(nginx.url, transports.join(), ["room"], { transports }));
    for (const client of clients) stops.push(() => client.close());
    await waitFor("all have joined", () => clients.every(({ joined }) => joined === 1));
    const second = await serve(ports[1]!);
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    await waitFor("all have joined again", () => clients.every(({ joined }) => joined === 2));
    clients[0]?.socket.emit("say", "room", "hello");
    await waitFor("all have heard it", () => clients.every(({ said }) => said.length === 1));
    for (const { disconnects, said } of clients)
      assert.deepEqual({ disconnects, said }, { disconnects: ["transport close"], said: ["hello"] });
    for (const client of clients) client.close();
    assert.deepEqual(await second.stop(), { code: 0, signal: null });
  });
});
