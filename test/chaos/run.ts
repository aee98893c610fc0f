import { setTimeout as sleep } from "node:timers/promises";
import { assertFlawless, type Verdict } from "../../testing/checked-load";
import type { Kit } from "../../testing/kit";
import type { KitNode } from "../../testing/kit-node";
import { checkWebSockets, FaultWorld, type Outcome } from "../faults/fault-world";
import type { Run } from "./arguments";
import { describe, longestSilence, partOf, schedule, type Fault, type Kind, type Part, type Planned } from "./schedule";

export interface Report {
  readonly plan: readonly Planned[];
  /** How many of each kind were done. */
  readonly done: Readonly<Partial<Record<Kind, number>>>;
  readonly outcome: Outcome | undefined;
  /** Sessions that were ended because two of their owners were lost in the moment in which one POST was handled (O14). */
  readonly excused: readonly string[];
  /** What is wrong: nothing, where all is as promised. */
  readonly problems: readonly string[];
  /** What each process printed, by its name. */
  readonly logs: ReadonlyMap<string, string>;
}

/** What a problem begins with that is about keys, files, timers and sessions that nobody needs any more. */
export const LEFT = "what is left behind";
/** More than any sum of faults makes a session wait. */
const STALL = 60_000;
const START_WITHIN = 30_000;
const START_AGAIN_AFTER = 300;

/** Does the faults of a seed to real processes under clients that count, and finds out what it cost. `say`: told each fault as it begins. */
export async function runChaos(run: Run, say: (line: string) => void): Promise<Report> {
  const { polling, websockets } = run;
  const { durationMs, nodes, leaseMs } = run.plan;
  const plan = schedule(run.plan);
  const world = await FaultWorld.start({
    nodes,
    links: true,
    options: { cluster: { leaseTtl: leaseMs } },
    redisArgs: ["--appendonly", "yes", "--appendfsync", "always"],
    timeoutMs: durationMs + 180_000,
    stallMs: STALL,
    env: { TEST_TRACE: "1" },
    polling,
    websockets,
  });
  world.websocketsMayEnd = true;
  const problems: string[] = [];
  const attempt = async (what: string, work: () => unknown): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(`${what}: ${explain(error)}`);
    }
  };
  try {
    const done = await disturb(world.kit, plan, attempt, say);
    let outcome: Outcome | undefined;
    let excused: readonly string[] = [];
    await attempt("the load", async () => (outcome = await world.settle()));
    if (outcome !== undefined) {
      excused = twoEnded(world.kit);
      const silence = longestSilence(plan, leaseMs);
      for (const problem of judge(outcome, { excused, silence })) problems.push(problem);
      await attempt(LEFT, () => world.leavesNothing());
    }
    const logs = new Map(world.kit.nodes.map((node) => [`node-${node.number}`, node.logs()]));
    logs.set("nginx", world.kit.nginx.accessLog());
    return { plan, done, outcome, excused, problems, logs };
  } finally {
    await world.kit.stop();
  }
}

/** What a plan allows. */
export interface Allowed {
  /** Sessions that ended as it is promised they may. */
  readonly excused?: readonly string[];
  /** The longest silence of a session, in milliseconds. */
  readonly silence?: number;
}

/** What no fault of a plan excuses. */
export function judge(outcome: Outcome, { excused = [], silence = Infinity }: Allowed = {}): string[] {
  const { polling, websockets, upgraded, refused } = outcome;
  const problems: string[] = [];
  const must = (what: string, check: () => void): void => {
    try {
      check();
    } catch (error) {
      problems.push(`${what}: ${explain(error)}`);
    }
  };
  must("polling sessions", () => assertFlawless(without(polling, excused.length)));
  must("websocket sessions", () => checkWebSockets(websockets));
  must("upgraded sessions", () => checkWebSockets(upgraded));
  if (polling.longestSilenceMs >= silence)
    problems.push(`a session was silent for ${polling.longestSilenceMs} ms, and ${silence} are allowed`);
  // A websocket that begins while Redis is away may be refused: its client tries again.
  const polls = refused.filter(
    (line) => !line.includes("transport=websocket") && !excused.some((sid) => line.includes(`sid=${sid}`)),
  );
  if (polls.length > 0) problems.push(`${polls.length} requests were refused:\n${polls.slice(0, 10).join("\n")}`);
  return problems;
}

/** The verdict as if so many sessions that were dropped had not been there. */
function without(verdict: Verdict, sessions: number): Verdict {
  const { dropped, lost, lostByDropped, echoed } = verdict;
  if (sessions === 0 || dropped === 0 || dropped > sessions) return verdict;
  return {
    ...verdict,
    dropped: 0,
    closes: [],
    errors: [],
    lost: lost - lostByDropped,
    lostByDropped: 0,
    echoed: echoed + lostByDropped,
  };
}

/** Whom the nodes' logs say so of. */
function twoEnded({ nodes }: Kit): string[] {
  const pattern = /(\S+) closed: transport error two nodes ended while they handled this request/g;
  return nodes.flatMap((node) => [...node.logs().matchAll(pattern)].map(([, sid = ""]) => sid));
}

type Attempt = (what: string, work: () => unknown) => Promise<void>;

/** Does it all; resolves when everything is put right again. */
async function disturb(
  kit: Kit,
  plan: readonly Planned[],
  attempt: Attempt,
  say: (line: string) => void,
): Promise<Partial<Record<Kind, number>>> {
  const done: Partial<Record<Kind, number>> = {};
  const started = performance.now();
  // On a slow machine a part may still be on its way up when its next fault is due: that one waits.
  const busy = new Map<Part, Promise<void>>();
  for (const planned of plan) {
    await sleep(Math.max(0, started + planned.at - performance.now()));
    const part = partOf(planned.fault);
    const work = (busy.get(part) ?? Promise.resolve()).then(async () => {
      say(describe(planned));
      await attempt(describe(planned).trim(), () => suffer(kit, planned.fault));
      done[planned.fault.kind] = (done[planned.fault.kind] ?? 0) + 1;
    });
    busy.set(part, work);
  }
  await Promise.all(busy.values());
  return done;
}

/** Resolves when it is over and the part works again. */
async function suffer(kit: Kit, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case "kill":
    case "terminate": {
      const node = kit.node(fault.node);
      await (fault.kind === "kill" ? node.kill() : node.terminate());
      await sleep(fault.ms);
      return startAgain(node);
    }
    case "pause":
      kit.node(fault.node).pause();
      await sleep(fault.ms);
      kit.node(fault.node).resume();
      return;
    case "cut":
    case "silence":
    case "delay": {
      const link = kit.node(fault.node).links![fault.link];
      if (fault.kind === "delay") link.delay(fault.by);
      else link[fault.kind]();
      await sleep(fault.ms);
      link.heal();
      return;
    }
    case "redis restarts with its data":
    case "redis restarts empty":
      await kit.redis.kill();
      await sleep(fault.ms);
      return kit.redis.restart({ forget: fault.kind === "redis restarts empty" });
    case "nats restarts":
      await kit.nats.kill();
      await sleep(fault.ms);
      return kit.nats.restart();
  }
}

/** A node that finds no Redis or no NATS when it starts ends at once, and whoever runs it starts it again. */
async function startAgain(node: KitNode): Promise<void> {
  const until = performance.now() + START_WITHIN;
  for (;;) {
    try {
      await node.start();
      return;
    } catch (error) {
      if (node.running || performance.now() > until) throw error;
      await sleep(START_AGAIN_AFTER);
    }
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\n  because of ${explain(error.cause)}`;
  return `${error.message.slice(0, 6_000)}${cause}`;
}
