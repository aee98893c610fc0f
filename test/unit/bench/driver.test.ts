import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader, textFrame } from "../../../bench/driver/frames";
import { isFlawless, Ledger, MESSAGE_LENGTH, messageText, totalFaults } from "../../../bench/driver/ledger";
import { ResponseReader } from "../../../bench/driver/response";

/** The ledger of session 7 after so many messages, and what came back of them. */
function ledgerOf(sent: number, received: readonly string[]): { ledger: Ledger; due: boolean[] } {
  const ledger = new Ledger(7);
  for (let i = 0; i < sent; i++) ledger.next();
  return { ledger, due: received.map((text) => ledger.receive(text)) };
}

const echo = (number: number): string => messageText(7, number);

test("messages are 64 characters, and no two of them alike", () => {
  const texts = [0, 1, 2].flatMap((session) => Array.from({ length: 100 }, (_, i) => messageText(session, i * 997)));
  assert.deepEqual([...new Set(texts.map(({ length }) => length))], [MESSAGE_LENGTH]);
  assert.equal(new Set(texts).size, texts.length);
});

test("echoes in order are flawless", () => {
  const { ledger, due } = ledgerOf(3, [echo(0), echo(1), echo(2)]);
  assert.deepEqual(due, [true, true, true]);
  assert.ok(isFlawless(totalFaults([ledger], 0)));
});

test("what did not come is lost", () => {
  const { ledger } = ledgerOf(4, [echo(0), echo(2)]);
  assert.deepEqual(totalFaults([ledger], 0), { lost: 2, doubled: 0, outOfOrder: 0, corrupted: 0, failed: 0 });
});

test("what came after a later one is out of order and not lost, what came again doubled", () => {
  const { ledger, due } = ledgerOf(3, [echo(1), echo(0), echo(0), echo(2), echo(1)]);
  assert.deepEqual(due, [true, false, false, true, false]);
  assert.deepEqual(totalFaults([ledger], 0), { lost: 0, doubled: 2, outOfOrder: 1, corrupted: 0, failed: 0 });
});

test("what was not sent like that is corrupted", () => {
  const changed = echo(0).replace("a", "b");
  const { ledger, due } = ledgerOf(1, [changed, messageText(8, 0), echo(1), "", "7.0.", "7.-1.x", "nonsense"]);
  assert.ok(due.every((one) => !one));
  assert.equal(ledger.corrupted, 7);
  assert.equal(ledger.missing, 1);
});

test("faults of all sessions are added up, and a failed session is one", () => {
  const first = ledgerOf(2, [echo(0)]).ledger;
  const second = ledgerOf(1, [echo(0), echo(0)]).ledger;
  const faults = totalFaults([first, second], 1);
  assert.deepEqual(faults, { lost: 1, doubled: 1, outOfOrder: 0, corrupted: 0, failed: 1 });
  assert.ok(!isFlawless(faults));
  assert.ok(!isFlawless({ ...totalFaults([], 0), failed: 1 }));
});

const RESPONSE = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\ncontent-length: 2\r\n\r\nok";

test("responses are read however they are cut, one after the other", () => {
  for (let cut = 1; cut < RESPONSE.length; cut++) {
    const reader = new ResponseReader();
    for (let round = 0; round < 2; round++) {
      assert.equal(reader.push(RESPONSE.slice(0, cut)), undefined);
      assert.deepEqual(reader.push(RESPONSE.slice(cut)), { status: 200, body: "ok", closes: false });
    }
  }
});

test("a response says whether the connection closes, and an error is read too", () => {
  const text = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  assert.deepEqual(new ResponseReader().push(text), { status: 400, body: "", closes: true });
});

test("a response without length and one that is too long are errors", () => {
  assert.throws(() => new ResponseReader().push("HTTP/1.1 200 OK\r\n\r\n"), /without length/);
  assert.throws(() => new ResponseReader().push(`${RESPONSE}!`), /more than was asked for/);
});

test("frames are read however they are cut", () => {
  const long = "x".repeat(200);
  const bytes = Buffer.concat([
    Buffer.from([0x81, 3]),
    Buffer.from("4hi"),
    Buffer.from([0x81, 126, 0, 200]),
    Buffer.from(long),
    Buffer.from([0x88, 0]),
  ]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader();
    const texts = [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))];
    assert.deepEqual(texts, ["4hi", long, undefined]);
  }
});

test("a client's frame is masked, and its mask changes nothing", () => {
  assert.deepEqual(textFrame("4a"), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x61]));
  assert.throws(() => textFrame("x".repeat(126)), RangeError);
});
