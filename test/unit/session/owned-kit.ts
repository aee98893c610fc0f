import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { encodingOf } from "../../../src/protocol/encoding";
import { fromStored } from "../../../src/protocol/stored";
import { AnswerCode, RequestKind, type Answer } from "../../../src/session/answers";
import { Deadlines } from "../../../src/time/deadlines";
import { Heartbeat } from "../../../src/session/heartbeat";
import { Outbox } from "../../../src/session/outbox";
import { OwnedSession } from "../../../src/session/owned-session";
import type { OwnerNode, SessionHandle } from "../../../src/session/owner-node";
import { Socket, type SocketHost } from "../../../src/session/socket";
import type { Commit, CommitResult, CommitWaiter, NodeId, RestoreResult, SessionRecord } from "../../../src/store/port";
import { FrequentCounts } from "../../../src/telemetry/counters";
import type { TickWork } from "../../../src/time/tick";
import { OwnedPolling } from "../../../src/transports/owned-polling";
import { HandClock } from "../../helpers/hand-clock";

export const PING_INTERVAL = 25_000;
export const PING_TIMEOUT = 20_000;
export const GRACE = 2000;
export const CLOSE_WAIT = 30_000;

/** An owner whose store is the test: commits wait until they are answered by hand. */
export class FakeOwner implements OwnerNode {
  readonly id = "me";
  readonly clock = new HandClock();
  readonly counts = new FrequentCounts();
  readonly ring = 4;
  readonly refreshAfter = 10_000;
  readonly recordLasts = 9_000;
  readonly maxDataChars = 100;
  readonly upgradeTimeout = 10_000;
  storeGeneration = 1;
  readonly ringCover = 5_000;
  readonly grace = new Deadlines<SessionHandle>(this.clock, GRACE, (session) => {
    session.graceOver();
  });
  readonly closing = new Deadlines<SessionHandle>(this.clock, CLOSE_WAIT, (session) => {
    session.closingOver();
  });
  readonly dead = new Set<NodeId>();
  wasDeaf = false;
  /** Commits that are not answered yet, oldest first. */
  readonly pending: { readonly commit: Commit; readonly waiter: CommitWaiter }[] = [];
  readonly restores: { readonly record: SessionRecord; readonly answer: (result: RestoreResult) => void }[] = [];
  /** All that was let out: `holder kind t answer`. */
  readonly said: string[] = [];
  readonly ended: SessionHandle[] = [];
  readonly lost: (NodeId | undefined)[] = [];

  inDoubt = false;

  lives(node: NodeId): boolean {
    return !this.dead.has(node);
  }

  turnDue(work: TickWork): void {
    this.clock.defer(() => {
      work.run();
    });
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.pending.push({ commit, waiter });
  }

  restore(_sid: string, record: SessionRecord): Promise<RestoreResult> {
    return new Promise((resolve) => this.restores.push({ record, answer: resolve }));
  }

  answer(holder: NodeId, kind: RequestKind, _sid: string, t: string, answer: Answer): void {
    this.said.push(`${holder} ${nameOf(kind)} ${t} ${textOf(answer)}`);
  }

  notMine(holder: NodeId, kind: RequestKind, _sid: string, t: string): void {
    this.said.push(`${holder} ${nameOf(kind)} ${t} not mine`);
  }

  passPong(): void {
    this.said.push("the pong is passed on");
  }

  onUpgraded(): void {
    assert.fail("these sessions have no websocket");
  }

  onEnded(session: SessionHandle): void {
    this.ended.push(session);
  }

  onLost(_session: SessionHandle, owner: NodeId | undefined): void {
    this.lost.push(owner);
  }
}

function nameOf(kind: RequestKind): string {
  if (kind === RequestKind.Get) return "GET";
  return kind === RequestKind.Post ? "POST" : "SEND";
}

const CODE_NAMES: Readonly<Record<AnswerCode, string>> = {
  [AnswerCode.Packets]: "packets",
  [AnswerCode.Ok]: "ok",
  [AnswerCode.UnknownSid]: "unknown",
  [AnswerCode.BadRequest]: "bad request",
  [AnswerCode.Refused]: "refused",
  [AnswerCode.Unavailable]: "unavailable",
  [AnswerCode.OtherProtocol]: "other protocol",
  [AnswerCode.TooLarge]: "too large",
};

function textOf({ code, body }: Answer): string {
  const packets = typeof body === "string" ? body : Buffer.from(body).toString("utf8");
  return code === AnswerCode.Packets ? `[${packets.replaceAll("\x1e", " ")}]` : CODE_NAMES[code];
}

/** One owned session with its socket, driven by hand. */
export class OwnedWorld {
  readonly owner = new FakeOwner();
  readonly session: OwnedSession;
  readonly socket: Socket;
  /** What the application saw. */
  readonly events: string[] = [];

  /** `record`: it was adopted; `lives`: from an owner that did not end. */
  constructor(record?: Partial<SessionRecord>, lives = false) {
    const { owner } = this;
    const clock = owner.clock;
    const opts = {
      pingInterval: PING_INTERVAL,
      pingTimeout: PING_TIMEOUT,
      maxHttpBufferSize: 1e6,
      initialPacket: undefined,
      transports: ["polling", "websocket"],
    };
    const server: SocketHost = Object.assign(new EventEmitter(), {
      opts,
      heartbeat: new Heartbeat(clock, { pingInterval: PING_INTERVAL, pingTimeout: PING_TIMEOUT }),
      upgrades: () => [],
      tryUpgrade: () => undefined,
    });
    const given: SessionRecord | undefined = record === undefined ? undefined : { ...emptyRecord(), ...record };
    const start = {
      encoding: encodingOf(4, false),
      transport: "polling" as const,
      turn: given?.turn ?? 0,
      phase: given?.phase ?? "open",
      outbox: given === undefined ? new Outbox() : Outbox.fromRecord(given),
      answered: given?.answered ?? [],
      handled: given?.handled ?? [],
      handshake: given?.handshake ?? "{}",
      extra: given?.data ?? "",
    };
    this.session = new OwnedSession("s", owner, start);
    this.socket = new Socket({
      id: "s",
      server,
      transport: new OwnedPolling(4, this.session),
      request: new IncomingMessage(new NetSocket()),
      remoteAddress: "::1",
      protocol: 4,
      recovered: given !== undefined,
      ...(this.session.data === "" ? {} : { data: JSON.parse(this.session.data) as unknown }),
    });
    if (given === undefined) {
      this.socket.onOpen();
      // The handshake's answer carries the open packet.
      this.socket.takeBuffer();
      this.session.useSocket(this.socket);
      this.socket.runCallbacks();
    } else {
      this.socket.onAdopted(this.session.waitingPackets.map(fromStored), given.phase === "closing", 1000);
      this.session.useSocket(this.socket);
      this.session.resume(!lives, (node) => !lives && node !== owner.id);
    }
    this.socket.on("message", (data: unknown) => this.events.push(`message ${String(data)}`));
    this.socket.on("flush", (packets: unknown[]) => this.events.push(`flush ${String(packets.length)}`));
    this.socket.on("drain", () => this.events.push("drain"));
    this.socket.on("close", (reason: string, description?: Error) => {
      this.events.push(description === undefined ? `close ${reason}` : `close ${reason}: ${description.message}`);
    });
  }

  /** What was let out since the last look. */
  said(): string[] {
    return this.owner.said.splice(0);
  }

  poll(t: string, holder: NodeId = "a"): void {
    this.session.poll(t, holder);
  }

  post(key: string, body: string, holder: NodeId = "a"): void {
    this.session.post(key, holder, body);
  }

  echo(): void {
    this.socket.on("message", (data: unknown) => this.socket.send(data));
  }

  /** Ends the tick. */
  tick(): void {
    this.owner.clock.settle();
  }

  /** Ends the tick, and gives the one commit that is under way then. */
  committing(): Commit {
    this.tick();
    assert.equal(this.owner.pending.length, 1, "one commit at a time is under way");
    return this.owner.pending[0]!.commit;
  }

  /** Ends the tick; no commit may be under way. */
  idle(): void {
    this.tick();
    assert.deepEqual(
      this.owner.pending.map(({ commit }) => commit),
      [],
    );
  }

  /** The store's answer to the commit under way. */
  answer(result: CommitResult): void {
    this.committing();
    this.owner.pending.shift()!.waiter.onCommitResult(result);
  }

  ok(): Commit {
    const commit = this.committing();
    this.answer({ kind: "ok" });
    return commit;
  }

  /** Answers commits until none is under way. */
  settle(): void {
    this.tick();
    while (this.owner.pending.length > 0) {
      this.ok();
      this.tick();
    }
  }
}

export function emptyRecord(): SessionRecord {
  return {
    owner: "me",
    turn: 5,
    protocol: 4,
    transport: "polling",
    phase: "open",
    acked: 0,
    packets: [],
    inflight: null,
    answered: [],
    handled: [],
    handshake: "{}",
    data: "",
  };
}
