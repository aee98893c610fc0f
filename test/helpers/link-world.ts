import type { Frame } from "../../src/bus/frame";
import type { LinksOptions } from "../../src/bus/link-options";
import { Links } from "../../src/bus/links";
import { MemoryMedium, type MemoryBus } from "../../src/bus/memory/memory-bus";
import { Tick } from "../../src/time/tick";
import { HandClock } from "./hand-clock";

export type Event = readonly ["frame" | "loss" | "silent" | "again" | "free" | "retaken", string];

export interface Node {
  readonly links: Links;
  readonly bus: MemoryBus;
  readonly frames: Frame[];
  readonly events: Event[];
  readonly beats: (readonly [string, number])[];
  /** Why messages were dropped, as an operator is told. */
  readonly rejections: string[];
  losses(): number;
}

export type Overrides = Partial<Pick<LinksOptions, "secrets" | "maxFrameBytes" | "beatInterval" | "windowBytes">> & {
  /** Whether the store answers none of the node's calls. */
  readonly isStoreless?: () => boolean;
};

export class World {
  readonly clock = new HandClock();
  readonly medium: MemoryMedium;
  onFrame: (() => void) | undefined;

  constructor(maxMessageBytes = 4096) {
    this.medium = new MemoryMedium(this.clock, { maxMessageBytes });
  }

  async node(name: string, incarnation = 1, { isStoreless, ...options }: Overrides = {}): Promise<Node> {
    const bus = this.medium.bus();
    const frames: Frame[] = [];
    const events: Event[] = [];
    const beats: (readonly [string, number])[] = [];
    const rejections: string[] = [];
    const links = new Links({
      bus,
      node: name,
      clock: this.clock,
      tick: new Tick(this.clock),
      ...options,
      handler: {
        onFrame: (from, frame) => {
          events.push(["frame", from]);
          frames.push(frame);
          this.onFrame?.();
        },
        onLoss: (peer) => events.push(["loss", peer]),
        onUncongested: (peer) => events.push(["free", peer]),
        onRetaken: (peer) => events.push(["retaken", peer]),
        onNoResponder: (peer) => events.push(["silent", peer]),
        onBeat: (peer, incarnation) => beats.push([peer, incarnation]),
        onHearingAgain: () => events.push(["again", name]),
        onRejected: (why) => rejections.push(why),
        isStoreless: () => isStoreless?.() ?? false,
      },
    });
    await links.start(incarnation);
    const losses = (): number => events.filter(([what]) => what === "loss").length;
    return { links, bus, frames, events, beats, rejections, losses };
  }

  async pair(options: Overrides = {}): Promise<[Node, Node]> {
    return [await this.node("a", 1, options), await this.node("b", 1, options)];
  }

  /** The next message between the two is lost. */
  loseNext(from: string, to: string): void {
    this.medium.intercept = (sender, receiver) => {
      if (sender !== from || receiver !== to) return undefined;
      this.medium.intercept = undefined;
      return "drop";
    };
  }
}

export function frame(n: number, body: string | Uint8Array = ""): Frame {
  return { kind: 1, sid: "sid", t: "t", n, body };
}

/** The next uncaught exception, which the test runner does not get to see. */
export function nextUncaught(): Promise<unknown> {
  const others = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
  process.removeAllListeners("uncaughtException");
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      for (const listener of others) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
}

/** Sends one frame and lets it arrive. */
export function say(world: World, from: Node, to: string, n = 0): void {
  from.links.send(to, frame(n));
  world.clock.settle();
}
