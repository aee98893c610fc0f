import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Bus, BusListener } from "../../src/bus/port";
import { until } from "../helpers/until";

/** One medium, and what can be done to the nodes on it. */
export interface BusMedium<B extends Bus = Bus> {
  /** A new bus on this medium, not joined yet. */
  node(): B | Promise<B>;
  /** Ends a node as the death of its process would, without a word. */
  kill(bus: B): void | Promise<void>;
  /** Breaks a node's connection, and mends it; absent where a node cannot outlive its connection. */
  readonly outage?: { cut(bus: B): void | Promise<void>; heal(bus: B): void | Promise<void> };
  /** A bus whose medium is not there, and what its error must say; absent where that cannot be. */
  readonly unreachable?: { bus(): Bus; readonly says: RegExp };
  stop(): Promise<void>;
}

class Member<B extends Bus> implements BusListener {
  readonly messages: Uint8Array[] = [];
  readonly silent: string[] = [];
  reconnects = 0;
  readonly bus: B;
  readonly name: string;

  constructor(bus: B, name: string) {
    this.bus = bus;
    this.name = name;
  }

  onMessage(message: Uint8Array): void {
    this.messages.push(message);
  }

  onNoResponder(to: string): void {
    this.silent.push(to);
  }

  onReconnected(): void {
    this.reconnects++;
  }

  get texts(): string[] {
    return this.messages.map((message) => Buffer.from(message).toString());
  }

  async received(count: number): Promise<void> {
    await until(`${this.name} has received ${count} messages`, () => this.messages.length >= count);
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** What every bus promises. The factory makes a new medium; names of nodes are never used twice. */
export function busContract<B extends Bus>(name: string, factory: () => Promise<BusMedium<B>>): void {
  describe(`bus contract: ${name}`, () => {
    let medium: BusMedium<B>;
    let count = 0;
    const members: Member<B>[] = [];

    async function member(called = `node-${++count}`): Promise<Member<B>> {
      const joined = new Member(await medium.node(), called);
      await joined.bus.join(called, joined);
      members.push(joined);
      return joined;
    }

    async function two(): Promise<[Member<B>, Member<B>]> {
      return [await member(), await member()];
    }

    /** After this, everything that `from` sent to `to` before has arrived, and has been answered if there was nobody. */
    async function roundTrip(from: Member<B>, to: Member<B>): Promise<void> {
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        const mark = `mark ${++count}`;
        one.bus.send(other.name, bytes(mark));
        await until(`${other.name} has received ${mark}`, () => other.texts.at(-1) === mark);
        other.messages.pop();
      }
    }

    before(async () => {
      medium = await factory();
    });
    after(async () => {
      await Promise.all(members.map(({ bus }) => bus.leave()));
      await medium.stop();
    });

    it("carries a message to the node that has just joined, and to no other", async () => {
      const [a, b] = await two();
      const c = await member();
      b.bus.send(c.name, bytes("hello"));
      await c.received(1);
      await roundTrip(b, a);
      assert.deepEqual(c.texts, ["hello"]);
      assert.deepEqual([...a.texts, ...b.texts], []);
    });

    it("delivers later, never within send", async () => {
      const [a, b] = await two();
      a.bus.send(b.name, bytes("x"));
      a.bus.broadcast(bytes("y"));
      assert.equal(b.messages.length, 0);
      await b.received(2);
    });

    it("keeps the order between a pair of nodes, over 1,000 messages in both directions", async () => {
      const [a, b] = await two();
      for (let n = 0; n < 1000; n++) {
        a.bus.send(b.name, bytes(`a ${n}`));
        b.bus.send(a.name, bytes(`b ${n}`));
      }
      await a.received(1000);
      await b.received(1000);
      assert.deepEqual(
        b.texts,
        Array.from({ length: 1000 }, (_, n) => `a ${n}`),
      );
      assert.deepEqual(
        a.texts,
        Array.from({ length: 1000 }, (_, n) => `b ${n}`),
      );
    });

    it("carries every byte, and leaves a message alone once it is delivered", async () => {
      const [a, b] = await two();
      const every = Uint8Array.from({ length: 256 }, (_, value) => value);
      a.bus.send(b.name, every);
      await b.received(1);
      for (let n = 0; n < 50; n++) a.bus.send(b.name, Buffer.alloc(10_000, n));
      await b.received(51);
      assert.deepEqual(Buffer.from(b.messages[0] ?? []), Buffer.from(every));
      for (let n = 0; n < 50; n++)
        assert.ok(Buffer.alloc(10_000, n).equals(b.messages[n + 1] ?? Buffer.alloc(0)), `message ${n}`);
    });

    it("carries messages of exactly maxMessageBytes, addressed and to all, and throws for a longer one", async () => {
      const [a, b] = await two();
      const limit = a.bus.maxMessageBytes;
      assert.ok(Number.isSafeInteger(limit) && limit >= 1024);
      const largest = Buffer.alloc(limit, "0123456789abcdef");
      a.bus.send(b.name, largest);
      a.bus.broadcast(largest);
      a.bus.send(b.name, bytes("after"));
      await b.received(3);
      assert.ok(largest.equals(b.messages[0] ?? bytes("")));
      assert.ok(largest.equals(b.messages[1] ?? bytes("")));
      assert.throws(() => a.bus.send(b.name, Buffer.alloc(limit + 1)), RangeError);
      assert.throws(() => a.bus.broadcast(Buffer.alloc(limit + 1)), RangeError);
    });

    it("broadcasts to all others and not to the sender, in order with what is addressed", async () => {
      const [a, b] = await two();
      const c = await member();
      a.bus.send(b.name, bytes("1"));
      a.bus.broadcast(bytes("2"));
      a.bus.send(b.name, bytes("3"));
      await b.received(3);
      await c.received(1);
      await roundTrip(b, a);
      assert.deepEqual(b.texts, ["1", "2", "3"]);
      assert.deepEqual(c.texts, ["2"]);
      assert.deepEqual(a.texts, []);
    });

    it("carries a message from a node to itself", async () => {
      const a = await member();
      a.bus.send(a.name, bytes("me"));
      await a.received(1);
      assert.deepEqual(a.texts, ["me"]);
    });

    it("tells that nobody listens as a node, whatever its name, and goes on", async () => {
      const [a, b] = await two();
      const names = ["nobody", "with space", "dots.and.>*", "naïve ☃", "line\r\nbreak", "=eA", "-", "x".repeat(100)];
      for (const each of names) a.bus.send(each, bytes("x"));
      await until("all are told", () => a.silent.length >= names.length);
      await roundTrip(a, b);
      // Between different pairs there is no order.
      assert.deepEqual([...a.silent].sort(), [...names].sort());
      assert.deepEqual(b.silent, []);
    });

    it("reaches nodes with unusual names", async () => {
      const a = await member();
      const b = await member("a node: ☃ >.*");
      a.bus.send(b.name, bytes("x"));
      await b.received(1);
    });

    it("tells that a node has left, each time", async () => {
      const [a, b] = await two();
      await roundTrip(a, b);
      await b.bus.leave();
      a.bus.send(b.name, bytes("x"));
      await until("it is told", () => a.silent.length === 1);
      a.bus.send(b.name, bytes("y"));
      await until("it is told again", () => a.silent.length === 2);
      assert.deepEqual(a.silent, [b.name, b.name]);
      assert.deepEqual(b.texts, []);
    });

    it("tells that a node has died", async () => {
      const [a, b] = await two();
      await roundTrip(a, b);
      await medium.kill(b.bus);
      await until("it is told", () => {
        a.bus.send(b.name, bytes("x"));
        return a.silent.includes(b.name);
      });
    });

    it("tells nothing of a broadcast that nobody hears", async (t) => {
      const alone = await factory();
      t.after(() => alone.stop());
      const a = new Member(await alone.node(), `alone-${++count}`);
      await a.bus.join(a.name, a);
      a.bus.broadcast(bytes("x"));
      a.bus.send(a.name, bytes("y"));
      await a.received(1);
      assert.deepEqual(a.silent, []);
      assert.deepEqual(a.texts, ["y"]);
      await a.bus.leave();
    });

    it("is connected from join to leave, and joins once", async () => {
      const bus = await medium.node();
      assert.equal(bus.connected, false);
      const a = new Member(bus, `node-${++count}`);
      await bus.join(a.name, a);
      assert.equal(bus.connected, true);
      await assert.rejects(bus.join("another", a), /joined already/);
      await bus.leave();
      assert.equal(bus.connected, false);
      await bus.leave();
    });

    it("sends what is still to be sent when it leaves, and hears nothing more", async () => {
      const [a, b] = await two();
      for (let n = 0; n < 100; n++) a.bus.send(b.name, Buffer.alloc(1000, n));
      await a.bus.leave();
      await b.received(100);
      b.bus.send(a.name, bytes("x"));
      await until("it is told", () => b.silent.length === 1);
      assert.deepEqual(a.texts, []);
    });

    it("takes messages before join and after leave, and drops them", async () => {
      const bus = await medium.node();
      bus.send("nobody", bytes("x"));
      const a = new Member(bus, `node-${++count}`);
      await bus.join(a.name, a);
      await bus.leave();
      bus.send("nobody", bytes("x"));
      bus.broadcast(bytes("x"));
      assert.deepEqual(a.silent, []);
    });

    it("breaks and mends: connected says so, sending never throws, onReconnected is told once, messages flow again", async (t) => {
      if (medium.outage === undefined) {
        t.skip("a node does not outlive its connection here");
        return;
      }
      const [a, b] = await two();
      await roundTrip(a, b);
      await medium.outage.cut(b.bus);
      await until("it is noticed", () => !b.bus.connected);
      for (let n = 0; n < 100; n++) {
        b.bus.send(a.name, bytes("lost"));
        b.bus.broadcast(bytes("lost"));
        a.bus.send(b.name, bytes("lost"));
      }
      assert.equal(b.reconnects, 0);
      await medium.outage.heal(b.bus);
      await until("it is back", () => b.reconnects > 0);
      assert.equal(b.bus.connected, true);
      await roundTrip(b, a);
      await roundTrip(a, b);
      assert.equal(b.reconnects, 1);
      assert.equal(a.reconnects, 0);
      assert.deepEqual(a.texts, []);
    });

    it("rejects join in bounded time where the medium is not there, and says what to do", async (t) => {
      if (medium.unreachable === undefined) {
        t.skip("the medium is always there");
        return;
      }
      const bus = medium.unreachable.bus();
      const a = new Member(bus, `node-${++count}`);
      await assert.rejects(bus.join(a.name, a), medium.unreachable.says);
      assert.equal(bus.connected, false);
      bus.send("nobody", bytes("x"));
      await bus.leave();
    });
  });
}
