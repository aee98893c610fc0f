import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Redis } from "ioredis";
import { RedisStore } from "../../src/store/redis";
import { SESSION_KEYS } from "../../src/store/redis/keys";
import { SCRIPTS, type Script } from "../../src/store/redis/scripts.generated";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { commit, CONTRACT_LIMITS, opening, recordOf, turnOf } from "./store-kit";

const ROOT = join(__dirname, "../..");
const FOLDER = join(ROOT, "src/store/redis/lua");

interface Header {
  readonly purpose: string;
  readonly returns: string;
  readonly keys: readonly string[];
  /** Names of the arguments that stand once, and of those that stand for each session. */
  readonly once: readonly string[];
  readonly each: readonly string[];
  readonly open: boolean;
}

/** The comment that a script begins with, read as strictly as a script's caller has to be written. */
function headerOf(file: string): Header {
  const sections = new Map<string, string[]>();
  let section: string[] | undefined;
  for (const line of readFileSync(join(FOLDER, file), "utf8").split("\n")) {
    const comment = /^-- (.*)$/.exec(line)?.[1];
    if (comment === undefined) break;
    const title = /^(Purpose|KEYS(?:, [a-z ]+)?|ARGV(?:, [a-z ]+)?|Returns):(.*)$/.exec(comment);
    if (title) {
      section = [title[2]!.trim()];
      sections.set(title[1]!, section);
    } else section?.push(comment);
  }
  const numbered = (title: RegExp): string[] => {
    const names: string[] = [];
    for (const [name, lines] of sections) {
      if (!title.test(name)) continue;
      for (const line of lines) {
        const item = /^ {2}(\d+) (.*)$/.exec(line);
        if (!item) continue;
        assert.equal(Number(item[1]), names.length + 1, `${file}: ${name} is numbered from 1`);
        names.push(item[2]!);
      }
    }
    return names;
  };
  return {
    purpose: sections.get("Purpose")?.join(" ") ?? "",
    returns: sections.get("Returns")?.join(" ") ?? "",
    keys: numbered(/^KEYS/),
    once: numbered(/^ARGV(, once)?$/),
    each: numbered(/^ARGV, for each session$/),
    open: [...sections].some(
      ([name, lines]) => name.startsWith("ARGV") && lines.some((line) => /^ {2}then /.test(line)),
    ),
  };
}

/** A client that keeps what it is told to send and never answers. */
function recorder() {
  const sent: (readonly string[])[] = [];
  const client = {
    isCluster: false,
    status: "connecting",
    sendCommand: () => undefined,
    on: () => undefined,
    off: () => undefined,
    call: (name: string, args: readonly string[]) => {
      sent.push([name, ...args]);
      return new Promise(() => undefined);
    },
  };
  return { sent, client: client as unknown as Redis };
}

const files = readdirSync(FOLDER).filter((file) => file.endsWith(".lua"));
const scripts: Record<string, Script> = SCRIPTS;

describe("Lua scripts", () => {
  it("are what the generated module holds", () => {
    execFileSync(process.execPath, ["scripts/build-lua.mjs", "--check"], { cwd: ROOT, stdio: "pipe" });
  });

  for (const file of files) {
    it(`${file} says what it does, and takes the keys that its name says`, () => {
      const [, name = "", count] = /^([a-z]+)-(\d+)\.lua$/.exec(file) ?? [];
      const header = headerOf(file);
      assert.ok(header.purpose.length > 20 && header.returns.length > 2, "purpose and returns");
      assert.equal(header.keys.length, Number(count));
      assert.equal(scripts[name]?.keys, Number(count));
      if (header.keys.length > 1) assert.deepEqual(header.keys, SESSION_KEYS);
    });

    it(`${file} makes no key by itself, and sets no global`, () => {
      const source = scripts[file.split("-")[0]!]!.source;
      assert.ok(!/redis\.call\(\s*'[A-Za-z]+',\s*ARGV/.test(source) && !/call\('[A-Z]+', ARGV/.test(source));
      const assigned = [...source.matchAll(/^\s*([a-z_]+) = /gm)].map(([, name]) => name!);
      for (const name of assigned) assert.match(source, new RegExp(`local [^=\\n]*\\b${name}\\b`), name);
    });
  }

  it("are called with the keys and arguments that their headers say", async () => {
    const { sent, client } = recorder();
    const tick = new Tick(runtimeClock);
    const store = new RedisStore({ redis: client, clock: runtimeClock, tick, limits: CONTRACT_LIMITS });
    const calls: Record<string, () => unknown> = {
      open: () => store.open(opening("s", "n")),
      look: () => store.look("s"),
      claim: () => store.claim("s", "n", 1),
      restore: () => store.restore("s", recordOf("n", 1, { packets: ["4a"], handled: ["p", "q"], answered: ["t"] })),
      renew: () => store.renew("n", ["s", "r"]),
      lease: () => store.lease("n", 1),
      index: () => store.index("n", ["s"], ["r"]),
      commit: () => {
        store.commit(turnOf("s", "n", 1, { packets: ["4a", "4b"], posts: ["p"], data: "d" }), {
          onCommitResult: () => undefined,
        });
        store.commit(turnOf("r", "n", 1), { onCommitResult: () => undefined });
      },
    };
    /** Arguments that come after those numbered in the header, by the calls above. */
    const behind: Record<string, number> = { restore: 4, index: 2, commit: 4 };
    assert.deepEqual(Object.keys(calls).sort(), Object.keys(scripts).sort(), "every script has a caller here");
    for (const [name, call] of Object.entries(calls)) {
      sent.length = 0;
      call();
      await new Promise<void>((resolve) => void setImmediate(resolve));
      const script = scripts[name]!;
      const [, , count, ...rest] = sent.find(([, sha]) => sha === script.sha) ?? assert.fail(`${name} was not sent`);
      const keys = rest.slice(0, Number(count));
      const args = rest.slice(Number(count));
      const header = headerOf(`${name}-${script.keys}.lua`);
      const sessions = keys.length / script.keys;
      assert.equal(sessions, name === "commit" || name === "renew" ? 2 : 1, `${name}: keys`);
      const expected = header.once.length + header.each.length * sessions + (behind[name] ?? 0);
      assert.equal(args.length, expected, `${name}: arguments`);
      assert.equal(header.open, (behind[name] ?? 0) > 0, `${name}: says whether more follows`);
      assert.ok(
        [...keys, ...args].every((arg) => typeof arg === "string"),
        `${name}: text only`,
      );
      for (let i = 0; i < keys.length; i += script.keys) {
        const tags = keys.slice(i, i + script.keys).map((key) => /\{(.*?)\}/.exec(key)?.[1]);
        assert.equal(new Set(tags).size, 1, `${name}: one hash tag`);
      }
    }
    const told = commit(store, turnOf("s", "n", 2));
    await store.close();
    assert.deepEqual(await told, { kind: "away" });
  });
});
