import { decodePayload } from "../../src/protocol/codec4";
import { AnswerCode, RequestKind, type Answer } from "../../src/session/answers";
import { SimWebSocket } from "./sim-websocket";
import { BalancedRequest } from "./balancer";
import { fakeRequest } from "./fake-request";
import type { ClientPlan } from "./schedule";
import type { SimNode } from "./sim-node";
import type { World } from "./world";

/**
 * A stock polling client, as strict as one: a request that is not answered 200 ends it, and it gives up when no
 * ping comes in time. It numbers what it sends and checks what it gets.
 */
export class SimClient {
  readonly #world: World;
  readonly #messages: number;
  readonly #plan: ClientPlan;
  sid = "";
  dropped: string | undefined;
  sent = 0;
  acknowledged = 0;
  echoes = 0;
  readonly pushes: number[] = [];
  /** All messages that it got. */
  readonly got = new Set<string>();
  /** The number of the last message that it got from each node that sends to it. */
  readonly #sends = new Map<string, number>();
  /** The application closed its session, and it was told so. */
  closed = false;
  /** Its websocket was closed: allowed where a fault can explain it, and the end of the session. */
  ended = false;
  #websocket: SimWebSocket | undefined;
  #webSocketAt: SimNode | undefined;
  #tried = false;
  /** Whether its websocket was not at the owner. */
  #relayed = false;
  /** The application closed its websocket when something had happened that may have ended it before. */
  #lostSome = false;
  /** `stranded`: its websocket closed before it could go over, and it has stopped polling: that is how the stock client is. */
  #transport: "polling" | "upgrading" | "stranded" | "websocket" = "polling";
  /** When the websocket was opened, and closed, that it did not go over to. */
  #openedAt = 0;
  #strandedAt = Infinity;
  #polling: BalancedRequest | undefined;
  #posting: BalancedRequest | undefined;
  #pongs = 0;
  #lastPing = 0;

  constructor(world: World, plan: ClientPlan) {
    this.#world = world;
    this.#plan = plan;
    this.#messages = world.schedule.messages;
    world.time.schedule(plan.connectsAt, () => {
      this.connect();
    });
  }

  /** Its poll, while one is under way. */
  get poll(): BalancedRequest | undefined {
    return this.#polling;
  }

  get upgraded(): boolean {
    return this.#transport === "websocket";
  }

  /** Whether it has tried to go over to a websocket, and did not. */
  get failedToUpgrade(): boolean {
    return this.#tried && !this.upgraded && !this.over;
  }

  /** Whether no process survives the message. */
  isPoison(text: string): boolean {
    return this.#plan.poison !== undefined && text === `m${String(this.#plan.poison)}`;
  }

  /** Its requests that are under way. */
  get requests(): BalancedRequest[] {
    return [this.#polling, this.#posting].filter((request) => request !== undefined);
  }

  /** It says nothing any more. */
  get over(): boolean {
    return this.dropped !== undefined || this.ended || this.closed;
  }

  get done(): boolean {
    if (this.over) return true;
    if (this.#plan.closes !== undefined) return false;
    return this.echoes === this.#messages && this.acknowledged === this.#messages;
  }

  /** Whether it may miss something that is in its record: its websocket was closed, and took that with it. */
  get mayMiss(): boolean {
    return this.sid === "" || this.ended || this.#lostSome;
  }

  connect(): void {
    const node = this.#world.pick();
    if (node === undefined) {
      this.#world.time.schedule(20, () => {
        this.connect();
      });
    } else {
      node.process.deliver(() => {
        void this.#handshake(node);
      });
    }
  }

  async #handshake(node: SimNode): Promise<void> {
    const { time } = this.#world;
    const opening = {
      request: fakeRequest(),
      remoteAddress: "",
      handshake: HANDSHAKE,
      protocol: 4,
      transport: "polling",
    } as const;
    const opened = await node.host.open(opening);
    if (opened.kind !== "ok") return;
    const { socket } = node.host.start(opened, opening);
    node.host.announce(socket);
    time.schedule(time.random() * 2, () => {
      // A handshake that died with its node: the client would try anew; this history goes on without it.
      if (!node.alive) return;
      this.sid = socket.id;
      this.#world.strikes.owns(socket.id, node.id);
      this.#lastPing = time.now;
      this.#poll();
      this.#sendSoon();
      this.#watchPings();
      this.#world.clients.set(this.sid, this);
      this.#world.sends.begin(this.sid);
      const { closes } = this.#plan;
      if (closes !== undefined) {
        time.schedule(Math.max(0, closes.at - time.now), () => {
          this.#world.sends.close(this.sid, closes.from, () => this.over);
        });
      }
      if (this.#plan.upgradesAt !== undefined) {
        time.schedule(this.#plan.upgradesAt, () => {
          this.#upgrade();
        });
      }
    });
  }

  // ---- the upgrade, as the stock client does it ----

  #upgrade(): void {
    const node = this.#world.pick();
    if (node === undefined || this.over) return;
    node.process.deliver(() => {
      void this.#open(node);
    });
  }

  async #open(node: SimNode): Promise<void> {
    const cluster = node.node;
    // A node that leaves refuses it, and the client goes on polling.
    if (cluster === undefined || cluster.leaving) return;
    const found = await cluster.find(this.sid, []);
    if (found.kind === "away" || this.over || node.node?.leaving !== false) return;
    if (found.kind === "unknown") {
      if (this.#world.mayClose(this.sid)) this.#close();
      else this.#drop("the websocket was refused: unknown");
      return;
    }
    this.#world.log(`client ${this.sid} opens a websocket at ${node.id}`);
    const websocket = new SimWebSocket(this.#world, node, {
      onMessage: (text) => {
        this.#onWebSocketMessage(text);
      },
      onClose: () => {
        this.#onWebSocketClose();
      },
    });
    this.#tried = true;
    this.#openedAt = this.#world.time.now;
    this.#relayed = found.kind === "at";
    this.#websocket = websocket;
    this.#webSocketAt = node;
    node.host.join(cluster, this.sid, websocket);
    websocket.say("2probe");
  }

  #onWebSocketMessage(text: string): void {
    if (text === "3probe") {
      if (this.#transport !== "polling") return;
      this.#transport = "upgrading";
      this.#switch();
    } else if (this.#transport !== "websocket") {
      this.#drop(`"${text}" came by a websocket that is not the session's`);
    } else if (text === "2") {
      this.#lastPing = this.#world.time.now;
      this.#websocket?.say("3");
    } else if (text.startsWith("4")) {
      this.#message(text.slice(1));
    } else this.#drop(`"${text}" came by the websocket`);
  }

  /** Goes over when neither a poll nor a POST is under way. */
  #switch(): void {
    if (
      this.#transport !== "upgrading" ||
      this.#polling !== undefined ||
      this.#posting !== undefined ||
      this.#websocket === undefined
    )
      return;
    this.#transport = "websocket";
    const at = this.#world.records.look(this.sid);
    this.#relayed = at.kind !== "found" || at.owner !== this.#webSocketAt?.id;
    this.#world.log(`client ${this.sid} goes over`);
    this.#websocket.say("5");
    this.#sayAll(this.#websocket);
  }

  /** What waits goes by the websocket. */
  #sayAll(websocket: SimWebSocket): void {
    for (; this.#pongs > 0; this.#pongs--) websocket.say("3");
    for (let i = this.acknowledged + 1; i <= this.sent; i++) websocket.say(`4m${String(i)}`);
    this.acknowledged = this.sent;
  }

  /** Whether something has happened that explains the end of its websocket. */
  get #isExcused(): boolean {
    const { sid } = this;
    const gateway = this.#webSocketAt?.id ?? "";
    return this.#world.excuses.websockets({ sid, gateway, openedAt: this.#openedAt, relayed: this.#relayed });
  }

  #onWebSocketClose(): void {
    this.#websocket = undefined;
    if (this.#transport === "websocket") {
      this.#world.log(`client ${this.sid} loses its websocket`);
      if (this.#world.mayClose(this.sid)) {
        this.closed = true;
        this.#lostSome = this.#isExcused;
        return;
      }
      this.ended = true;
      if (!this.#isExcused) this.#drop("the websocket was closed though nothing failed");
    } else if (this.#transport === "upgrading") {
      this.#world.log(`client ${this.sid} is stranded`);
      this.#transport = "stranded";
      this.#strandedAt = this.#world.time.now;
      this.#world.time.schedule(TOLD_WITHIN, () => {
        if (!this.over && this.#world.excuses.nothingButEnds)
          this.#world.violate(`${this.sid} is not told for long that its websocket is gone`);
      });
    } else {
      // Its probe was not answered; polling goes on.
      this.#strandedAt = this.#world.time.now;
    }
  }

  /** U7: whether its session may be ended, since it may have stopped polling for a websocket that is gone. */
  get #mayBeEnded(): boolean {
    const { time } = this.#world;
    return this.#tried && !this.upgraded && time.now - this.#strandedAt < ENDED_WITHIN && this.#isExcused;
  }

  /** The session ended with its websocket, as one does that has gone over. */
  #endStranded(): void {
    this.#world.log(`client ${this.sid} is told that its websocket is gone`);
    this.leave();
  }

  /** Nothing is under way any more by which it could be told. */
  #hang(): void {
    if (this.#transport !== "stranded" || this.over || this.requests.length > 0) return;
    if (!this.#world.excuses.hangs(this.#openedAt, this.#strandedAt))
      this.#drop("it hangs: nobody told it that its websocket is gone");
    this.leave();
  }

  #watchPings(): void {
    const { time } = this.#world;
    time.schedule(1000, () => {
      if (this.over) return;
      const { pingInterval, pingTimeout } = this.#world.schedule.heartbeat;
      if (time.now - this.#lastPing <= pingInterval + pingTimeout) this.#watchPings();
      else {
        this.#world.excuses.noPing(this.sid);
        this.#drop("no ping came in time");
      }
    });
  }

  #drop(why: string): void {
    if (this.dropped !== undefined) return;
    this.dropped = why;
    if (this.#world.excuses.excused(this.sid)) {
      this.ended = true;
      this.#world.log(`client ${this.sid} is dropped, which can happen: ${why}`);
    } else this.#world.violate(`${this.sid} dropped: ${why}`);
  }

  #poll(): void {
    if (this.over) return;
    this.#polling = new BalancedRequest(this.#world, RequestKind.Get, this.sid, "", (answer) => {
      this.#polling = undefined;
      if (answer.code !== AnswerCode.Packets) {
        this.#refused(answer, `a poll was answered with code ${String(answer.code)}`);
        return;
      }
      this.#read(answer);
      if (this.#transport === "polling") this.#poll();
      else this.#switch();
      this.#hang();
    });
  }

  /** A session that was closed is unknown from then on: a POST may hear so before the poll that is told. */
  #refused({ code }: Answer, why: string): void {
    if (code === AnswerCode.UnknownSid && this.#mayBeEnded) this.#endStranded();
    else if (code === AnswerCode.UnknownSid && this.#world.mayClose(this.sid)) this.#close();
    else this.#drop(why);
  }

  #read(answer: Answer): void {
    const packets = decodePayload(String(answer.body));
    const isClose = packets.some(({ type }) => type === "close");
    const strands = isClose && this.#mayBeEnded;
    const closes = isClose && !strands && this.#world.mayClose(this.sid);
    // O8: the stock client of Socket.IO would lose the message. An end that came before the close is no close.
    const isAsked = closes && !this.#world.excuses.excused(this.sid);
    if (isAsked && packets.some(({ type }) => type === "message"))
      this.#world.violate(`${this.sid} is given a message and a close packet at once`);
    for (const packet of packets) {
      if (packet.type === "ping") {
        this.#lastPing = this.#world.time.now;
        this.#pongs++;
        this.#post();
      } else if (packet.type === "message") {
        const text = textOf(packet.data);
        if (!this.#world.records.hasRecorded(this.sid, text))
          this.#world.violate(`${this.sid} is given "${text}", which is in no record`);
        this.#message(text);
      } else if (closes && packet.type === "close") {
        this.#close();
        return;
      } else if (strands && packet.type === "close") {
        this.#endStranded();
        return;
      } else if (packet.type !== "noop") this.#drop(`a ${packet.type} packet came`);
    }
  }

  /** Its session was closed, with all that was in its record delivered. */
  #close(): void {
    this.#world.log(`client ${this.sid} is closed`);
    this.closed = true;
    this.#lostSome = this.upgraded && this.#isExcused;
    // It was given up meanwhile, for what cannot be promised.
    if (this.#world.excuses.excused(this.sid)) this.ended = true;
    this.#polling?.abandon();
    this.#posting?.abandon();
    this.#websocket?.leave();
  }

  #message(text: string): void {
    this.got.add(text);
    if (this.#world.sends.refused(this.sid).has(text))
      this.#world.violate(`${this.sid} is given "${text}", whose sender was told that there is no such session`);
    if (text.startsWith("x")) {
      this.#sent(text);
      return;
    }
    const number = Number(text.slice(text.startsWith("e") ? 2 : 1));
    this.#world.log(`client ${this.sid} gets ${text}`);
    if (text.startsWith("e")) {
      if (number !== this.echoes + 1)
        this.#world.violate(`${this.sid}: echo ${String(number)} after ${String(this.echoes)}`);
      this.echoes = Math.max(this.echoes, number);
    } else {
      const last = this.pushes.at(-1) ?? 0;
      if (number <= last) this.#world.violate(`${this.sid}: push ${String(number)} after ${String(last)}`);
      this.pushes.push(number);
    }
  }

  /** O13: what one node sends to one session is taken once, in order. */
  #sent(text: string): void {
    this.#world.log(`client ${this.sid} gets ${text}`);
    const [sender = "", number = ""] = text.slice(1).split(".");
    const last = this.#sends.get(sender) ?? 0;
    if (Number(number) <= last) this.#world.violate(`${this.sid}: ${text} after ${String(last)}`);
    this.#sends.set(sender, Number(number));
  }

  /** It is gone, without a word. */
  leave(): void {
    this.ended = true;
    this.#polling?.abandon();
    this.#posting?.abandon();
    this.#websocket?.leave();
  }

  #sendSoon(): void {
    const { time } = this.#world;
    time.schedule(time.random() * this.#world.schedule.pace, () => {
      if (this.over) return;
      if (this.sent < this.#messages) this.sent++;
      this.#post();
      if (this.sent < this.#messages) this.#sendSoon();
    });
  }

  /** One POST at a time, with all that waits: pongs and messages. */
  #post(): void {
    if (this.#posting !== undefined || this.over || this.#transport === "upgrading" || this.#transport === "stranded")
      return;
    if (this.#transport === "websocket") {
      if (this.#websocket !== undefined) this.#sayAll(this.#websocket);
      return;
    }
    const packets = Array.from({ length: this.#pongs }, () => "3");
    const from = this.acknowledged;
    const upTo = this.sent;
    for (let i = from + 1; i <= upTo; i++) packets.push(`4m${String(i)}`);
    if (packets.length === 0) return;
    this.#pongs = 0;
    this.#posting = new BalancedRequest(this.#world, RequestKind.Post, this.sid, packets.join("\x1e"), (answer) => {
      this.#posting = undefined;
      if (answer.code !== AnswerCode.Ok) {
        this.#refused(answer, `a POST was answered with code ${String(answer.code)}`);
        return;
      }
      this.acknowledged = upTo;
      this.#post();
      this.#switch();
      this.#hang();
    });
  }
}

/** Virtual milliseconds: a lease, and what it takes to find a poll's owner then. */
const TOLD_WITHIN = 9000;
/** Virtual milliseconds behind the end of a websocket: a lease, and the time that a gateway that lives is given. */
const ENDED_WITHIN = 20_000;
const HANDSHAKE = JSON.stringify({ url: "/", method: "GET", headers: {}, query: {}, address: "", encrypted: false });

/** The simulated application sends text only. */
function textOf(data: unknown): string {
  if (typeof data !== "string") throw new Error("a message is not text");
  return data;
}
