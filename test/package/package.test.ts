import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { startProcess } from "../helpers/processes";

const run = promisify(execFile);
const ROOT = join(__dirname, "../..");

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

/** npm tells its children of the package that it works for; those of this test work for another one. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_package_|npm_lifecycle_|npm_config_local_prefix$)/.test(name)),
);

async function npm(cwd: string, ...args: string[]): Promise<string> {
  return (await run("npm", args, { cwd, env, maxBuffer: 1 << 26 })).stdout;
}

describe("the package, packed and installed in an empty folder", () => {
  let folder = "";
  let app = "";
  let packed: Packed;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "package-test-"));
    app = join(folder, "app");
    // dist/ is what the run of all tests has just built.
    const output = await npm(ROOT, "pack", "--ignore-scripts", "--json", "--pack-destination", folder);
    // One object by name in newer versions of npm, a list in older ones.
    packed = Object.values(JSON.parse(output) as Record<string, Packed>)[0]!;
    await mkdir(app);
    await writeFile(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "commonjs" }));
    const types = `@types/node@${manifest.devDependencies["@types/node"]}`;
    const flags = ["--prefer-offline", "--no-audit", "--no-fund"];
    await npm(app, "install", ...flags, join(folder, packed.filename), types);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs a file of the app and answers with what it printed, as JSON. */
  async function runFile(name: string, text: string): Promise<unknown> {
    await writeFile(join(app, name), text);
    return JSON.parse((await run(process.execPath, [name], { cwd: app, env })).stdout);
  }

  /** Serves with the `Server` in scope, and prints how a handshake is answered. */
  const handshake = `
    const http = createServer();
    const engine = new Server();
    engine.attach(http);
    http.listen(0, "127.0.0.1", async () => {
      const url = "http://127.0.0.1:" + http.address().port + "/engine.io/?EIO=4&transport=polling";
      const response = await fetch(url, { headers: { connection: "close" } });
      const text = await response.text();
      engine.close();
      http.close();
      http.closeAllConnections();
      console.log(JSON.stringify({ status: response.status, start: text.slice(0, 8) }));
    });`;
  const handshaken = { status: 200, start: '0{"sid":' };

  test("require serves", async () => {
    const text = `const { createServer } = require("node:http"); const { Server } = require("engine.io-cluster"); ${handshake}`;
    assert.deepEqual(await runFile("serve.cjs", text), handshaken);
  });

  test("import serves", async () => {
    const text = `import { createServer } from "node:http"; import { Server } from "engine.io-cluster"; ${handshake}`;
    assert.deepEqual(await runFile("serve.mjs", text), handshaken);
  });

  test("require and import have the same names, and each is the same thing", async () => {
    const text = `
      import { createRequire } from "node:module";
      import * as imported from "engine.io-cluster";
      const required = createRequire(import.meta.url)("engine.io-cluster");
      const names = Object.keys(required).sort();
      const other = names.filter((name) => required[name] !== imported[name]);
      const version = createRequire(import.meta.url)("engine.io-cluster/package.json").version;
      const more = Object.keys(imported).filter((name) => !names.includes(name));
      if (imported.default !== required) throw new Error("the default export is not the module");
      console.log(JSON.stringify({ names, other, more, version }));`;
    const { names, ...rest } = (await runFile("same.mjs", text)) as { names: string[] };
    assert.deepEqual(rest, { other: [], more: ["default"], version: manifest.version });
    for (const name of ["Server", "Socket", "attach", "listen", "protocol", "v3"])
      assert.ok(names.includes(name), name);
  });

  const program = `
    import { createServer } from "node:http";
    import { attach, listen, protocol, Server, Socket, v3, type BaseServer, type ServerOptions } from "engine.io-cluster";

    const options: ServerOptions = { pingInterval: 10_000, path: "/engine.io", transports: ["polling"] };
    const server: Server = new Server(options);
    const http = createServer();
    server.attach(http);
    server.on("connection", (socket: Socket) => {
      const id: string = socket.id;
      const recovered: boolean = socket.recovered;
      socket.on("message", (data: string | Buffer) => socket.send(data));
      socket.on("close", (reason: string) => console.log(id, recovered, reason));
    });
    const other: Server = attach(createServer(), options);
    const third: Server = listen(0, options);
    const revision: number = protocol;
    const called: Server = Server(options);
    const older: BaseServer = v3(http, options);
    console.log(other, third, revision, called, older, v3.parser.protocol);

    export class Own extends Server {
      override generateId(): string {
        return "id" + String(this.clientsCount);
      }
      protected override init(): void {
        super.init();
      }
    }

    export const clustered = (redis: string, nats: string): Server => new Server({ cluster: { redis, nats } });
    // @ts-expect-error the types know what an option may be
    export const wrong = new Server({ pingInterval: "soon" });
  `;
  /** What the compiler has to say, which is what is wrong; its exit code says no more. */
  async function compile(file: string, text: string, ...more: string[]): Promise<string> {
    await writeFile(join(app, file), text);
    const flags = "--strict --module node16 --moduleResolution node16 --target es2022 --types node".split(" ");
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const args = [tsc, ...flags, "--skipLibCheck", "false", ...more, file];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: app, env }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
  }

  for (const [file, kind] of [
    ["program.cts", "CommonJS"],
    ["program.mts", "ES modules"],
  ] as const) {
    test(`a TypeScript program compiles against the types: ${kind}`, async () => {
      assert.equal(await compile(file, program, "--noEmit"), "");
    });
  }

  test("the command tells how it is used", async () => {
    const command = join(app, "node_modules/.bin/engine.io-cluster");
    const { stdout } = await run(command, ["--help"], { cwd: app, env });
    assert.match(stdout, /serve/);
  });

  test("the command serves its page and the sessions", async () => {
    const command = join(app, "node_modules/.bin/engine.io-cluster");
    const args = ["serve", "--workers", "1", "--port", "0", "--host", "127.0.0.1"];
    const server = startProcess(command, args, { cwd: app, env: { LOG_FORMAT: "json" } });
    try {
      const [, port = ""] = await server.prints(/"port":(\d+)[^\n]*"msg":"listening"/);
      const page = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(page.status, 200);
      assert.match(await page.text(), /<html/);
      // Of the package itself: nobody has installed a client here.
      assert.equal(existsSync(join(app, "node_modules/engine.io-client")), false);
      const client = await fetch(`http://127.0.0.1:${port}/engine.io.js`);
      assert.equal(client.status, 200);
      const text = await client.text();
      assert.match(text, /^\/\*!\s+\* Engine\.IO v6/, "its notice is kept");
      assert.doesNotMatch(text, /sourceMappingURL/);
      const poll = await fetch(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`);
      assert.match(await poll.text(), /^0\{"sid":/);
      assert.deepEqual(await server.stop(), { code: 0, signal: null });
    } finally {
      await server.kill();
    }
  });

  describe("its export for tests of faults", () => {
    /** The README's programs, by the names that they begin with. */
    const readme = new Map(
      [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/```js\n(\/\/ ([\w.]+)[\s\S]*?)```/g)].map(
        ([, text = "", name = ""]) => [name, text],
      ),
    );

    const kitProgram = `
      import { assertFlawless, Kit, type KitOptions, type Load, type Verdict } from "engine.io-cluster/testing";
      async function main(): Promise<void> {
        const options: KitOptions = { nodes: 2, app: "echo.cjs", links: false };
        const kit: Kit = await Kit.start(options);
        try {
          const load: Load = kit.load({ sessions: 10, messages: 100 });
          await load.whenEchoed(200);
          await kit.node(0).kill();
          const verdict: Verdict = await load.done;
          assertFlawless(verdict);
          console.log(JSON.stringify({ echoed: verdict.echoed, running: kit.running.map(({ number }) => number) }));
        } finally {
          await kit.stop();
        }
      }
      void main();
      // @ts-expect-error the types know what an option may be
      export const wrong: KitOptions = { nodes: "two" };
    `;

    test("says which package a load needs where it is not installed, and loads without it", async () => {
      const text = `
        const { Kit, startLoad } = require("engine.io-cluster/testing");
        let message = "";
        try {
          startLoad({ url: "http://127.0.0.1:1", sessions: 1, messages: 1 });
        } catch (error) {
          message = error.message;
        }
        console.log(JSON.stringify({ kit: typeof Kit.start, message }));`;
      const { kit, message } = (await runFile("no-client.cjs", text)) as { kit: string; message: string };
      assert.equal(kit, "function");
      assert.match(message, /engine\.io-client, which is not installed: npm install/);
    });

    test("with its peer installed, the README's program runs", async () => {
      const client = `engine.io-client@${manifest.peerDependencies["engine.io-client"]}`;
      await npm(app, "install", "--prefer-offline", "--no-audit", "--no-fund", client);
      for (const name of ["echo.cjs", "faults.mjs"]) await writeFile(join(app, name), readme.get(name) ?? "");
      const { stdout } = await run(process.execPath, ["faults.mjs"], { cwd: app, env });
      assert.equal(stdout, "nothing was lost\n");
    });

    for (const [file, made] of [
      ["faults.cts", "faults.cjs"],
      ["faults.mts", "faults.mjs"],
    ] as const) {
      test(`a TypeScript program compiles, kills a node and loses nothing: ${made}`, async () => {
        await writeFile(join(app, "echo.cjs"), readme.get("echo.cjs") ?? "");
        assert.equal(await compile(file, kitProgram), "");
        const { stdout } = await run(process.execPath, [made], { cwd: app, env });
        assert.deepEqual(JSON.parse(stdout), { echoed: 1_000, running: [1] });
      });
    }
  });

  test("the tarball has what is run and what is read, and no more", () => {
    const strange = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^(package\.json|(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md|LICENSE)$/.test(path))
      // What the README links to, for whoever has no clone.
      .filter((path) => !/^docs\/[\w-]+\.md$/.test(path))
      .filter((path) => !/^(examples|k8s)\/[\w./-]+\.(md|mjs|html|yaml)$/.test(path))
      .filter((path) => !/^deploy\/([\w.]+|grafana\/[\w.-]+)$/.test(path))
      .filter(
        (path) => !/^dist\/(src|cluster|testing)\/.+(\.js|\.mjs|\.d\.ts|\.d\.mts|\.js\.map|\.mjs\.map)$/.test(path),
      )
      .filter((path) => !path.startsWith("dist/cluster/demo/page/"));
    assert.deepEqual(strange, []);
    for (const name of [
      "README.md",
      "CHANGELOG.md",
      "SECURITY.md",
      "docs/operating.md",
      "deploy/nginx.conf",
      "examples/express/server.mjs",
      "k8s/base/deployment.yaml",
      "dist/cluster/demo/page/engine.io.LICENSE",
    ])
      assert.ok(
        packed.files.some(({ path }) => path === name),
        name,
      );
    const command = packed.files.find(({ path }) => path === "dist/cluster/cli.js");
    assert.equal((command?.mode ?? 0) & 0o111, 0o111, "the command is executable");
  });

  test("what is compiled is what the sources make now: no file of one that is gone", async () => {
    const rooms = ["src", "cluster", "testing"];
    const sources = await Promise.all(rooms.map((room) => readdir(join(ROOT, room), { recursive: true })));
    const known = new Set(sources.flatMap((files, i) => files.map((file) => `dist/${rooms[i]}/${file}`)));
    const stale = packed.files
      .map(({ path }) => path)
      .filter((path) => /^dist\/.+\.m?js$/.test(path) && !path.startsWith("dist/cluster/demo/page/"))
      .filter((path) => !known.has(path.replace(/js$/, "ts")));
    assert.deepEqual(stale, []);
  });
});

describe("what is committed names no registry", () => {
  test("package-lock.json has no addresses", () => {
    const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
    assert.doesNotMatch(lock, /"resolved": *"https?:/);
  });

  test("no file names the registry that this machine was set up with", async () => {
    const registry = new URL((await npm(ROOT, "config", "get", "registry")).trim());
    // Everybody's registry may be named. A machine's own is nobody else's business.
    if (registry.hostname === "registry.npmjs.org") return;
    const { stdout } = await run("git", ["ls-files", "-z"], { cwd: ROOT });
    const naming = stdout.split("\0").filter((file) => {
      if (file === "") return false;
      try {
        return readFileSync(join(ROOT, file)).includes(registry.host);
      } catch {
        return false; // Deleted, and not committed yet.
      }
    });
    assert.deepEqual(naming, []);
  });
});
