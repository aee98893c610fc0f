import { decodePayload } from "../../src/protocol/codec4";
import { AnswerCode, RequestKind, type Answer } from "../../src/session/answers";
import { SimWebSocket } from "./sim-websocket";
import { fakeRequest, PING_INTERVAL, PING_TIMEOUT, type SimNode, type World } from "./world";

/**
 * A stock polling client, as strict as one: a request that is not answered 200 ends it, and it gives up when no
 * ping comes in time. It numbers what it sends and checks what it gets.
 */
export class SimClient {
  readonly #world: World;
  readonly #messages: number;
  readonly #upgradeAfter: number | undefined;
  sid = "";
  dropped: string | undefined;
  sent = 0;
  acknowledged = 0;
  echoes = 0;
  readonly pushes: number[] = [];
  /** Its websocket was closed: allowed where a fault can explain it, and the end of the session. */
  ended = false;
  #websocket: SimWebSocket | undefined;
  #transport: "polling" | "upgrading" | "websocket" = "polling";
  #polling = false;
  #posting = false;
  #pongs = 0;
  #lastPing = 0;

  /** `upgradeAfter`: when, in virtual milliseconds, it tries to go over to a websocket; undefined: never. */
  constructor(world: World, messages: number, upgradeAfter?: number) {
    this.#upgradeAfter = upgradeAfter;
    this.#world = world;
    this.#messages = messages;
  }

  get upgraded(): boolean {
    return this.#transport === "websocket";
  }

  get done(): boolean {
    return (
      this.dropped !== undefined ||
      this.ended ||
      (this.echoes === this.#messages && this.acknowledged === this.#messages)
    );
  }

  connect(): void {
    const node = this.#world.pick();
    if (node === undefined) {
      this.#world.time.schedule(20, () => {
        this.connect();
      });
    } else void this.#handshake(node);
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
    if (!node.alive || opened.kind !== "ok") return;
    const { socket } = node.host.start(opened, opening);
    node.host.announce(socket);
    time.schedule(time.random() * 2, () => {
      // A handshake that died with its node: the client would try anew; this history goes on without it.
      if (!node.alive) return;
      this.sid = socket.id;
      this.#lastPing = time.now;
      this.#poll();
      this.#sendSoon();
      this.#watchPings();
      if (this.#upgradeAfter !== undefined) {
        time.schedule(this.#upgradeAfter, () => {
          this.#upgrade();
        });
      }
    });
  }

  // ---- the upgrade, as the stock client does it ----

  #upgrade(): void {
    const node = this.#world.pick();
    const cluster = node?.node;
    // A node that leaves refuses it, and the client goes on polling.
    if (node === undefined || cluster === undefined || cluster.leaving || this.dropped !== undefined) return;
    void cluster.find(this.sid, false).then((found) => {
      if (!node.alive || found.kind === "away") return;
      if (found.kind === "unknown") {
        this.#drop("the websocket was refused: unknown");
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
      this.#websocket = websocket;
      node.host.join(cluster, this.sid, websocket);
      websocket.say("2probe");
    });
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
    if (this.#transport !== "upgrading" || this.#polling || this.#posting || this.#websocket === undefined) return;
    this.#transport = "websocket";
    this.#world.log(`client ${this.sid} goes over`);
    this.#websocket.say("5");
    for (let i = this.acknowledged + 1; i <= this.sent; i++) this.#websocket.say(`4m${String(i)}`);
    this.acknowledged = this.sent;
  }

  #onWebSocketClose(): void {
    this.#websocket = undefined;
    if (this.#transport === "websocket") {
      this.#world.log(`client ${this.sid} loses its websocket`);
      this.ended = true;
      if (!this.#world.faulty) this.#drop("the websocket was closed though nothing failed");
    } else {
      // The try has failed; polling goes on.
      this.#transport = "polling";
      if (!this.#polling) this.#poll();
      this.#post();
    }
  }

  #watchPings(): void {
    const { time } = this.#world;
    time.schedule(1000, () => {
      if (this.dropped !== undefined || this.ended) return;
      if (time.now - this.#lastPing > PING_INTERVAL + PING_TIMEOUT) this.#drop("no ping came in time");
      else this.#watchPings();
    });
  }

  #drop(why: string): void {
    if (this.dropped !== undefined) return;
    this.dropped = why;
    // O14: two owners were killed with the same POST in hand, which looks as if it had killed them.
    if (this.#world.suspected.has(this.sid)) {
      this.ended = true;
      return;
    }
    this.#world.violate(`${this.sid} dropped: ${why}`);
  }

  #poll(): void {
    if (this.dropped !== undefined) return;
    this.#polling = true;
    this.#world.request(RequestKind.Get, this.sid, this.#world.nextT(), "", (answer) => {
      this.#polling = false;
      if (answer.code !== AnswerCode.Packets) {
        this.#drop(`a poll was answered with code ${String(answer.code)}`);
        return;
      }
      this.#read(answer);
      if (this.#transport === "polling") this.#poll();
      else this.#switch();
    });
  }

  #read(answer: Answer): void {
    for (const packet of decodePayload(String(answer.body))) {
      if (packet.type === "ping") {
        this.#lastPing = this.#world.time.now;
        this.#pongs++;
        this.#post();
      } else if (packet.type === "message") this.#message(textOf(packet.data));
      else if (packet.type !== "noop") this.#drop(`a ${packet.type} packet came`);
    }
  }

  #message(text: string): void {
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

  #sendSoon(): void {
    const { time } = this.#world;
    time.schedule(time.random() * 1500, () => {
      if (this.sent < this.#messages) this.sent++;
      this.#post();
      if (this.sent < this.#messages) this.#sendSoon();
    });
  }

  /** One POST at a time, with all that waits: pongs and messages. */
  #post(): void {
    if (this.#posting || this.dropped !== undefined || this.ended || this.#transport === "upgrading") return;
    if (this.#transport === "websocket") {
      for (let i = this.acknowledged + 1; i <= this.sent; i++) this.#websocket?.say(`4m${String(i)}`);
      this.acknowledged = this.sent;
      return;
    }
    const packets = Array.from({ length: this.#pongs }, () => "3");
    const from = this.acknowledged;
    const upTo = this.sent;
    for (let i = from + 1; i <= upTo; i++) packets.push(`4m${String(i)}`);
    if (packets.length === 0) return;
    this.#pongs = 0;
    this.#posting = true;
    this.#world.request(RequestKind.Post, this.sid, this.#world.nextT(), packets.join("\x1e"), (answer) => {
      this.#posting = false;
      if (answer.code !== AnswerCode.Ok) {
        this.#drop(`a POST was answered with code ${String(answer.code)}`);
        return;
      }
      this.acknowledged = upTo;
      this.#post();
      this.#switch();
    });
  }
}

const HANDSHAKE = JSON.stringify({ url: "/", method: "GET", headers: {}, query: {}, address: "", encrypted: false });

/** The simulated application sends text only. */
function textOf(data: unknown): string {
  if (typeof data !== "string") throw new Error("a message is not text");
  return data;
}
