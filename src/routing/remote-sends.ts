import { toStored } from "../protocol/stored";
import type { PacketOptions, RawData } from "../protocol/packet";
import { AnswerCode, RequestKind, type Answer } from "../session/answers";
import type { NodeId } from "../store/port";
import type { Tick, TickWork } from "../time/tick";
import type { Asked, WaitingConnection } from "./held";

/** The session's owner could not be found in time; whether the message was taken is not known. */
export class UnavailableError extends Error {
  constructor(what: string) {
    super(`${what}: the session's node did not answer in time; whether it was done is not known`);
    this.name = "UnavailableError";
  }
}

/** So much waits already that nothing more is taken: nothing was done. */
export class OverloadedError extends Error {
  constructor(waiting: number, size: number) {
    super(`cluster.send: ${String(waiting)} messages of ${String(size)} characters wait for their answers already`);
    this.name = "OverloadedError";
  }
}

/** What may wait for its answer here, in all. */
export interface SendLimit {
  readonly count: number;
  /** Characters, in stored form. */
  readonly size: number;
}

type Hold = (asked: Asked, connection: WaitingConnection) => void;

interface Waiting {
  readonly resolve: (taken: boolean) => void;
  readonly reject: (error: Error) => void;
  readonly size: number;
}

/** What one session is sent from here: the batch that is asked, and what waits behind it. */
interface Queue {
  readonly sid: string;
  packets: string[];
  /** Who waits for those. */
  waiting: Waiting[];
  /** Who wants it closed, behind them. */
  closing: Waiting[];
  asked: boolean;
}

/**
 * Sends to sessions wherever they are (O13). To one session one batch is under way at a time, numbered: so nothing
 * overtakes, and asking again is harmless.
 */
export class RemoteSends implements TickWork {
  readonly #node: NodeId;
  readonly #tick: Tick;
  readonly #hold: Hold;
  readonly #limit: SendLimit;
  #waiting = 0;
  #size = 0;
  #refused = 0;
  readonly #queues = new Map<string, Queue>();
  #ready: Queue[] = [];
  #number = 0;

  constructor(node: NodeId, tick: Tick, limit: SendLimit, hold: Hold) {
    this.#node = node;
    this.#tick = tick;
    this.#limit = limit;
    this.#hold = hold;
  }

  /** How many wait for their answers. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many were not taken because of the limit. */
  get refused(): number {
    return this.#refused;
  }

  /** Sessions that something is being sent to. */
  get size(): number {
    return this.#queues.size;
  }

  send(sid: string, data: RawData, options: PacketOptions | undefined): Promise<boolean> {
    // Behind a close there is nothing to be sent; and it waits until all that goes ahead of it is answered.
    if ((this.#queues.get(sid)?.closing.length ?? 0) > 0) return Promise.resolve(false);
    const packet = toStored({ type: "message", data, options: { compress: options?.compress !== false } });
    return this.#add(sid, packet.length, (queue) => {
      queue.packets.push(packet);
      return queue.waiting;
    });
  }

  close(sid: string): Promise<boolean> {
    return this.#add(sid, 0, ({ closing }) => closing);
  }

  #add(sid: string, size: number, join: (queue: Queue) => Waiting[]): Promise<boolean> {
    // While the store or the bus is away each waits for as long as its search: what they hold together is bounded here.
    if (this.#waiting >= this.#limit.count || this.#size + size > this.#limit.size) {
      this.#refused++;
      return Promise.reject(new OverloadedError(this.#waiting, this.#size));
    }
    this.#waiting++;
    this.#size += size;
    let queue = this.#queues.get(sid);
    if (queue === undefined) {
      queue = { sid, packets: [], waiting: [], closing: [], asked: false };
      this.#queues.set(sid, queue);
    }
    if (queue.waiting.length === 0 && queue.closing.length === 0 && !queue.asked) this.#due(queue);
    const waiting = join(queue);
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject, size });
    });
  }

  #due(queue: Queue): void {
    if (this.#ready.length === 0) this.#tick.turn(this);
    this.#ready.push(queue);
  }

  run(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const queue of ready) this.#ask(queue);
  }

  #ask(queue: Queue): void {
    const { sid, packets } = queue;
    // The close goes behind the packets, in a batch of its own.
    const closes = packets.length === 0;
    const body = JSON.stringify(closes ? "close" : packets);
    const waiting = closes ? queue.closing : queue.waiting;
    queue.packets = [];
    if (closes) queue.closing = [];
    else queue.waiting = [];
    queue.asked = true;
    const t = `${this.#node}:${String(++this.#number)}`;
    this.#hold(
      { kind: RequestKind.Send, sid, t, body, revision: 0 },
      {
        answer: (answer) => {
          this.#answered(queue, waiting, answer);
        },
        abandon: () => {
          this.#answered(queue, waiting, UNAVAILABLE);
        },
      },
    );
  }

  #answered(queue: Queue, waiting: readonly Waiting[], answer: Answer): void {
    for (const { resolve, reject, size } of waiting) {
      this.#waiting--;
      this.#size -= size;
      if (answer.code === AnswerCode.Unavailable) reject(new UnavailableError("cluster.send"));
      else if (answer.code === AnswerCode.TooLarge) reject(new RangeError(TOO_LONG));
      else resolve(answer.code === AnswerCode.Ok);
    }
    queue.asked = false;
    if (queue.waiting.length > 0 || queue.closing.length > 0) this.#due(queue);
    else this.#queues.delete(queue.sid);
  }
}

const TOO_LONG = "cluster.send: what was to be sent at once is longer than a node says to another, 64 MiB; send less";
const UNAVAILABLE: Answer = { code: AnswerCode.Unavailable, body: "", compress: false };
