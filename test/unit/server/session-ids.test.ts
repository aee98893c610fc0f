import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, test } from "node:test";
import { Server } from "../../../src/index";

const IDS = 20_000;
/** Of the 15 bytes of an id those that are drawn. The last three count, so that no id comes twice whatever is drawn. */
const DRAWN = 12;
const BITS = DRAWN * 8;
/** By chance one in 10^9 normal values is further from its mean, in standard deviations. */
const FAR = 6;

/** Who knows an id has the session; so nobody may find one by trying, or by having seen others. */
describe("ids of sessions", () => {
  const engine = new Server();
  const request = new IncomingMessage(new Socket());
  const texts = Array.from({ length: IDS }, () => engine.generateId(request) as string);
  const drawn = texts.map((text) => Buffer.from(text, "base64url").subarray(0, DRAWN));
  const bit = (bytes: Buffer, at: number): number => (bytes[at >> 3]! >> (at & 7)) & 1;

  test("are 20 characters that need no escape, and are all different", () => {
    for (const text of texts) assert.match(text, /^[A-Za-z0-9_-]{20}$/);
    assert.equal(new Set(texts).size, IDS);
  });

  test("differ in what is drawn, also without what counts", () => {
    assert.equal(new Set(drawn.map((bytes) => bytes.toString("hex"))).size, IDS);
    // Of 20,000 drawn halves two are equal once in a million runs.
    for (const from of [0, DRAWN / 2]) {
      assert.equal(new Set(drawn.map((bytes) => bytes.subarray(from, from + DRAWN / 2).toString("hex"))).size, IDS);
    }
  });

  test("have 96 bits each of which is set in half of them", () => {
    for (let at = 0; at < BITS; at++) {
      isHalf(
        sum(drawn, (bytes) => bit(bytes, at)),
        IDS,
        `bit ${at} is set`,
      );
    }
  });

  test("tell nothing of the next one: each bit changes in half of the steps, and half of all bits in each", () => {
    const steps = drawn.slice(1).map((bytes, i) => bytes.map((byte, at) => byte ^ drawn[i]![at]!) as Buffer);
    for (let at = 0; at < BITS; at++) {
      isHalf(
        sum(steps, (bytes) => bit(bytes, at)),
        steps.length,
        `bit ${at} changes`,
      );
    }
    for (const step of steps) {
      const changed = sum(
        Array.from({ length: BITS }, (_, at) => at),
        (at) => bit(step, at),
      );
      assert.ok(Math.abs(changed - BITS / 2) < (FAR + 1) * Math.sqrt(BITS / 4), `${changed} bits of 96 change`);
    }
  });

  test("have no two bits that are the same, or each other's opposite, more often than others", () => {
    const some = drawn.slice(0, 4_000);
    for (let one = 0; one < BITS; one += 5) {
      for (let other = one + 1; other < BITS; other++) {
        isHalf(
          sum(some, (bytes) => bit(bytes, one) ^ bit(bytes, other)),
          some.length,
          `bits ${one} and ${other} differ`,
        );
      }
    }
  });

  test("are drawn by the system: with the runtime's own chance, clock and process id the same, two processes have others", () => {
    const script = `
      Math.random = () => 0.5;
      Date.now = () => 1e12;
      Object.defineProperty(process, "pid", { value: 1 });
      const { Server } = require(${JSON.stringify(require.resolve("../../../src/index"))});
      const engine = new Server();
      process.stdout.write(JSON.stringify(Array.from({ length: 500 }, () => engine.generateId({}))));
    `;
    const run = (): string[] =>
      JSON.parse(execFileSync(process.execPath, ["--import", "tsx", "-e", script], { encoding: "utf8" })) as string[];
    const [first, second] = [run(), run()];
    const all = [...first, ...second].map((text) => text.slice(0, 8));
    assert.equal(new Set(all).size, all.length);
  });
});

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function isHalf(count: number, total: number, what: string): void {
  const away = Math.abs(count - total / 2) / Math.sqrt(total / 4);
  assert.ok(away < FAR, `${what} in ${count} of ${total}: ${away.toFixed(1)} standard deviations from half`);
}
