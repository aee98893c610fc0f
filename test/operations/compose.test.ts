import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { BlockList } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { parseDocument } from "yaml";
import { readConfig } from "../../cluster/config";
import { HEALTH_PORT, SETTINGS, type Setting } from "../../cluster/settings";
import { EXIT_GRACE } from "../../cluster/primary";
import { LAST_RESPONSES, STOP_GRACE } from "../../cluster/worker";
import { PATHS } from "../../src/operations/handler";
import { image, ROOT } from "./manifests";
import { shippedNginx, shippedUpstreams, testShippedNginx } from "./shipped-nginx";

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly init?: boolean;
  readonly stop_grace_period?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly networks: Readonly<Record<string, { readonly ipv4_address?: string } | null>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: {
    readonly cluster: {
      readonly ipam: { readonly config: readonly { readonly subnet: string; readonly ip_range: string }[] };
    };
  };
  readonly volumes: Readonly<Record<string, unknown>>;
}

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

function compose(): Compose {
  const document = parseDocument(read("docker-compose.yml"), { strict: true, uniqueKeys: true, merge: true });
  assert.deepEqual([...document.errors, ...document.warnings], []);
  return document.toJS() as Compose;
}

/** `${NAME:-default}` as compose reads it where NAME is not set. */
function filledIn(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, value.replace(/\$\{\w+:-([^}]*)\}/g, "$1")]),
  );
}

function cidr(text: string): BlockList {
  const [address = "", bits = ""] = text.split("/");
  const list = new BlockList();
  list.addSubnet(address, Number(bits));
  return list;
}

const millis = (duration: string): number => {
  const seconds = /^(\d+)s$/.exec(duration)?.[1];
  assert.ok(seconds, `${duration} is a number of seconds`);
  return 1000 * Number(seconds);
};

describe("the compose file", () => {
  const { services, networks, volumes } = compose();
  const builders = Object.values(services).filter(({ build }) => build !== undefined);
  const workers = Object.entries(services).filter(([, { image }]) => image === builders[0]?.image);
  const [, worker] = workers[0]!;
  const settings = { ...image().env, ...filledIn(worker.environment ?? {}) };
  const result = readConfig({}, settings);
  assert.ok(result.ok, result.ok ? "" : result.problems.join("; "));
  const { config } = result;
  const service = (name: string): Service => {
    const found = services[name];
    assert.ok(found, `there is no service ${name}`);
    return found;
  };

  test("three workers that are the same but for their addresses, which are of the network", () => {
    assert.equal(workers.length, 3);
    const plain = workers.map(([, { networks: _, build: __, ...rest }]) => rest);
    for (const one of plain) assert.deepEqual(one, plain[0]);
    const addresses = workers.map(([, { networks: own }]) => own["cluster"]?.ipv4_address ?? "");
    assert.equal(new Set(addresses).size, workers.length);
    const { subnet, ip_range: range } = networks.cluster.ipam.config[0]!;
    const [of, others] = [cidr(subnet), cidr(range)];
    assert.ok(of.check(range.split("/")[0]!), "the others' addresses are of the network too");
    for (const address of addresses) {
      assert.ok(of.check(address), address);
      assert.ok(!others.check(address), `${address} can be given to another service`);
    }
  });

  test("one service builds the image, for all of them: two that build one name get in each other's way", () => {
    assert.deepEqual(
      builders.map(({ build }) => build),
      ["."],
    );
  });

  test("their variables are settings, with values that are allowed", () => {
    const known = new Set(Object.values<Setting<unknown>>(SETTINGS).map(({ variable }) => variable));
    for (const name of Object.keys(worker.environment ?? {})) assert.ok(known.has(name), name);
    assert.equal(config.workers, 1, "a container is one node");
  });

  test("what they connect to are services of the file, on those servers' ports", () => {
    const at = (url: string | undefined): string => new URL(url ?? "").host;
    assert.equal(at(config.redis), "redis:6379");
    assert.equal(at(config.nats), "nats:4222");
    service("redis");
    service("nats");
    const ready = worker.depends_on as Record<string, { condition: string }>;
    assert.deepEqual(Object.keys(ready).sort(), ["nats", "redis"]);
    assert.equal(ready["redis"]!.condition, "service_healthy");
    assert.deepEqual(service("redis").healthcheck?.test, ["CMD", "redis-cli", "ping"]);
  });

  test("a worker has the time that it takes to leave", () => {
    const longest = config.drainTimeout + Math.max(STOP_GRACE + LAST_RESPONSES, EXIT_GRACE);
    assert.ok(millis(worker.stop_grace_period ?? "10s") > longest, `${longest} ms can pass`);
  });

  test("the page's button can kill a worker, which is started again", () => {
    assert.equal(config.demoKill, true);
    assert.equal(worker.init, true, "number 1 of a container gets no SIGKILL of its own");
    assert.equal((worker as { restart?: string }).restart, "unless-stopped");
  });

  test("health is asked for as the image says: the workers have no check of their own", () => {
    assert.equal(worker.healthcheck, undefined);
    assert.equal(config.healthPort, HEALTH_PORT);
  });

  test("Redis throws nothing away, and keeps sessions over a restart", () => {
    const { command = [], volumes: mounted } = service("redis");
    const option = (name: string): string | undefined => command[command.indexOf(`--${name}`) + 1];
    assert.equal(option("maxmemory-policy"), "noeviction");
    assert.equal(option("appendonly"), "yes");
    assert.equal(option("appendfsync"), "everysec");
    assert.deepEqual(mounted, ["redis:/data"]);
    assert.ok("redis" in volumes);
  });

  test("versions of Redis and NATS are ones that are supported", () => {
    const version = (name: string): number => Number(/:(\d+\.\d+)/.exec(service(name).image)?.[1]);
    assert.ok(version("redis") >= 6.2);
    assert.ok(version("nats") >= 2);
  });

  describe("its nginx", () => {
    const { volumes: mounted = [], ports = [] } = service("nginx");
    const text = shippedNginx();
    const engine = /location ([^ ]+) \{[^}]*non_idempotent[^}]*\}/.exec(text);
    const option = (name: string): string | undefined => new RegExp(`^\\s*${name} ([^;]+);`, "m").exec(text)?.[1];

    test("is deploy/nginx.conf, and nginx takes it", async () => {
      assert.deepEqual(mounted, ["./deploy/nginx.conf:/etc/nginx/nginx.conf:ro"]);
      const { status, said } = await testShippedNginx();
      assert.equal(status, 0, said);
    });

    test("nginx -t would notice what is wrong", async () => {
      const { status, said } = await testShippedNginx(text.replace("max_fails=0", "max_failures=0"));
      assert.notEqual(status, 0);
      assert.match(said, /invalid parameter "max_failures=0"/);
    });

    test("its upstreams are the workers, at their port; it listens where the file maps a port to", () => {
      assert.deepEqual(
        shippedUpstreams(text),
        workers.map(([host]) => ({ host, port: config.port })),
      );
      assert.equal([...text.matchAll(/max_fails=0/g)].length, workers.length);
      // Nobody else than this machine's users may press the button that kills a worker.
      assert.deepEqual(ports, [`127.0.0.1:8080:${option("listen") ?? ""}`]);
    });

    test("requests are sent again below the engine's path, POSTs too, and POSTs nowhere else", () => {
      assert.equal(engine?.[1], `${config.path}/`);
      assert.equal([...text.matchAll(/^[^#\n]*non_idempotent/gm)].length, 1);
      assert.match(text, /^\s*proxy_request_buffering on;/m);
      assert.doesNotMatch(text, /ip_hash|hash \$|sticky/);
    });

    test("times and sizes are such that the right end gives up first", () => {
      assert.ok(millis(option("proxy_read_timeout") ?? "") > config.pingInterval + config.pingTimeout);
      assert.ok(millis(option("keepalive_timeout") ?? "") <= config.balancerIdleTimeout);
      assert.ok(config.balancerIdleTimeout < config.keepAliveTimeout);
      const body = /^(\d+)m$/.exec(option("client_max_body_size") ?? "")?.[1];
      assert.ok(Number(body) * 1024 * 1024 > config.maxHttpBufferSize);
    });

    test("what the client and its connection are is passed on", () => {
      for (const header of ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"])
        assert.match(text, new RegExp(`^\\s*proxy_set_header ${header} `, "m"));
    });
  });
});

describe("the image", () => {
  const text = read("Dockerfile");
  const joined = text.replace(/\\\n\s*/g, " ");
  const { text: last, env, entrypoint, folder } = image();
  /** Sources of COPY that are taken from the repository, and not from another stage. */
  const copied = [...joined.matchAll(/^COPY (?!--from)(.*)$/gm)].flatMap(([, paths = ""]) =>
    paths.split(/\s+/).slice(0, -1),
  );

  test("copies what exists and is not ignored", () => {
    const ignored = read(".dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    assert.equal(ignored[0], "*", "everything but");
    for (const path of copied) {
      assert.ok(existsSync(join(ROOT, path)), path);
      assert.ok(ignored.includes(`!${path}`), `${path} is ignored`);
    }
    for (const line of ignored.slice(1)) assert.ok(copied.includes(line.slice(1)), `${line} is copied by nobody`);
  });

  test("has all that it is built from", () => {
    const folder = mkdtempSync(join(tmpdir(), "image-test-"));
    const config = join(folder, "tsconfig.json");
    // As the compiler finds it in the image: of the folders that are built, those that were copied.
    const { include } = JSON.parse(read("tsconfig.build.json")) as { include: string[] };
    const there = include.filter((path) => copied.includes(path));
    assert.ok(there.includes("src") && there.includes("cluster"));
    const own = {
      extends: join(ROOT, "tsconfig.build.json"),
      compilerOptions: { typeRoots: [join(ROOT, "node_modules/@types")] },
      include: there.map((path) => join(ROOT, path)),
    };
    writeFileSync(config, JSON.stringify(own));
    try {
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const listed = execFileSync(process.execPath, [tsc, "-p", config, "--listFilesOnly"], { encoding: "utf8" });
      const files = listed.split("\n").map((file) => relative(ROOT, file.trim()));
      const ours = files.filter((file) => /\.m?ts$/.test(file) && !file.includes("node_modules"));
      assert.ok(ours.includes("cluster/cli.ts"));
      assert.deepEqual(
        ours.filter((file) => !copied.some((path) => file.startsWith(`${path}/`))),
        [],
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("node is of a version that package.json allows", () => {
    const version = Number(/^ARG NODE_VERSION=(\d+)/m.exec(text)?.[1]);
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    assert.match(engines.node, /^>=\d+$/);
    assert.ok(version >= Number(engines.node.slice(2)), `${version}, ${engines.node}`);
    assert.equal([...text.matchAll(/^FROM node:\$\{NODE_VERSION\}/gm)].length, 2, "both stages have the same");
  });

  test("runs what package.json calls the command, without a shell and wherever an image made of it works", () => {
    const { bin } = JSON.parse(read("package.json")) as { bin: Record<string, string> };
    assert.equal(entrypoint[0], "node");
    assert.equal(entrypoint.at(-1), `${folder}/${bin["engine.io-cluster"] ?? ""}`);
    assert.match(folder, /^\//);
    assert.match(last, /^STOPSIGNAL SIGTERM$/m);
  });

  test("has the command on its PATH, put there while it is root", () => {
    const { bin } = JSON.parse(read("package.json")) as { bin: Record<string, string> };
    for (const [name, file] of Object.entries(bin)) {
      const link = last.indexOf(`\nRUN ln -s ${folder}/${file} /usr/local/bin/${name}\n`);
      assert.ok(link > 0 && link < last.indexOf("\nUSER "), name);
      assert.ok(read(file.replace(/^dist\/(.*)\.js$/, "$1.ts")).startsWith("#!/usr/bin/env node\n"));
    }
  });

  test("is not root, listens on ports that such a user may take, and says which", () => {
    const user = /^USER (\d+):(\d+)$/m.exec(last);
    assert.ok(Number(user?.[1]) > 0 && Number(user?.[2]) > 0);
    const read = readConfig({}, env);
    assert.ok(read.ok);
    const { port, healthPort } = read.config;
    assert.equal(/^EXPOSE (.*)$/m.exec(last)?.[1], `${port} ${String(healthPort)}`);
    assert.ok(port >= 1024 && Number(healthPort) >= 1024);
  });

  test("its health check asks for what the code answers, more slowly than an answer takes", () => {
    const check = /^HEALTHCHECK (.*) CMD (\[.*\])$/m.exec(last);
    assert.ok(check, "in exec form");
    assert.ok((JSON.parse(check[2]!) as string[])[2]?.includes(PATHS.alive));
    const option = (name: string): number => millis(new RegExp(`--${name}=(\\d+s)`).exec(check[1]!)?.[1] ?? "");
    assert.ok(option("timeout") < option("interval"));
  });
});
