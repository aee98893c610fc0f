import { runtimeClock } from "../../src/time/runtime-clock";
import type { Finding } from "./finding";
import { ask, shown, type Answer } from "./http";
import type { Patient, PatientSession } from "./patient";

const DOCS = "docs/balancers.md";
/** Requests of one session, each on its own connection. */
const REQUESTS = 12;
/** An answer is late that comes so long after the node gave it. */
const LATE = 3_000;
/** A poll may take so much longer than the ping interval. */
const LENIENCE = 10_000;
/** Longer than this nobody wants to wait for a ping. */
const LONGEST_PING = 60_000;

/** Whether there is an engine; with the session that shows it. */
export async function checkReach(patient: Patient): Promise<{ finding: Finding; session?: PatientSession }> {
  const { session, answer } = await patient.open();
  if (session !== undefined) {
    const { pingInterval, pingTimeout } = session;
    const times = `pingInterval ${String(pingInterval)} ms, pingTimeout ${String(pingTimeout)} ms`;
    return {
      finding: { check: "reach", verdict: "ok", what: `a session opened in ${String(answer.ms)} ms; ${times}` },
      session,
    };
  }
  const what = `GET ${patient.url.href} opened no session: ${shown(answer)}`;
  return { finding: { check: "reach", verdict: "failed", what, advice: reachAdvice(answer) } };
}

function reachAdvice({ status }: Answer): string {
  if (status === 0) return "Nobody answers there. Is the balancer up, and is this its address?";
  if (status === 502 || status === 504)
    return "The balancer reached no node: are they up, and does it know their addresses?";
  if (status === 503) return "No node is ready, or all are full: see /readyz of each (--node).";
  return "This is no Engine.IO server of protocol 4. Is the path right (--path), and does the balancer send it to the nodes?";
}

/** Whether requests of one session are served wherever they come to, and a poll is answered when there is something to say. */
export async function checkSpread(patient: Patient, { sid }: PatientSession): Promise<Finding[]> {
  const poll = patient.poll(sid);
  const answers: Answer[] = [];
  // A pong: the engine takes it, and no application hears of it.
  for (let i = 0; i < REQUESTS; i++) answers.push(await patient.post(sid, "3"));
  const parked = await Promise.race([poll, Promise.resolve(undefined)]);
  const began = runtimeClock.now();
  const closed = await patient.post(sid, "1");
  const answered = await poll;
  const ms = Math.round(runtimeClock.now() - began);
  return [spread(patient, answers), prompt(closed, answered, parked, ms)];
}

function spread(patient: Patient, answers: readonly Answer[]): Finding {
  const check = "spread";
  const bad = answers.filter(({ status }) => status !== 200);
  const [first] = bad;
  if (first === undefined) {
    const what = `${String(answers.length)} of ${String(answers.length)} requests of one session were answered${byNodes(patient)}`;
    return { check, verdict: "ok", what };
  }
  const what = `${String(bad.length)} of ${String(answers.length)} requests of one session failed: ${shown(first)}`;
  return { check, verdict: "failed", what, advice: spreadAdvice(first) };
}

function byNodes({ secret, nodes }: Patient): string {
  if (secret === undefined) return "";
  const count = nodes.size === 1 ? "one node" : `${String(nodes.size)} nodes`;
  return nodes.size === 0 ? "" : ` by ${count}: ${[...nodes].join(", ")}`;
}

function spreadAdvice({ status, body }: Answer): string {
  if (status === 400 && body.includes('"code":1')) {
    return (
      "A node does not know the session of another: they are no cluster. Do all have the same REDIS_URL, NATS_URL and PREFIX, " +
      "or is this embedded mode on several machines?"
    );
  }
  return (
    "A node is down or gives no answer, and the balancer does not try the next one: its clients end their sessions. " +
    `See ${DOCS}#when-to-send-again`
  );
}

function prompt(closed: Answer, poll: Answer, parked: Answer | undefined, ms: number): Finding {
  const check = "answers";
  if (closed.status !== 200 || poll.status !== 200 || parked !== undefined) {
    const what = `the poll that waited ended with ${shown(parked ?? poll)}, the POST beside it with ${shown(closed)}`;
    return {
      check,
      verdict: "failed",
      what,
      advice: `A poll has to wait for its answer. See ${DOCS}#when-to-send-again`,
    };
  }
  const what = "a poll that waited was answered when there was something to say";
  if (ms < LATE) return { check, verdict: "ok", what };
  return {
    check,
    verdict: "warning",
    what: `${what}, after ${String(ms)} ms`,
    advice: "Something on the way holds answers back.",
  };
}

/** Whether a poll may be silent for as long as a ping takes. */
export async function checkIdle(patient: Patient): Promise<Finding> {
  const check = "idle poll";
  const { session, answer: refused } = await patient.open();
  if (session === undefined) return { check, verdict: "failed", what: `no session could be opened: ${shown(refused)}` };
  const { sid, pingInterval, pingTimeout } = session;
  if (pingInterval > LONGEST_PING) {
    return { check, verdict: "skipped", what: `a ping comes after ${String(pingInterval)} ms only` };
  }
  const answer = await patient.poll(sid, { withinMs: pingInterval + LENIENCE });
  void patient.post(sid, "3\u001e1");
  if (answer.status === 200 && answer.body.startsWith("2")) {
    const lateness = answer.ms > pingInterval + LATE ? ", which is late: something holds answers back" : "";
    return {
      check,
      verdict: lateness === "" ? "ok" : "warning",
      what: `a silent poll got its ping after ${String(answer.ms)} ms${lateness}`,
    };
  }
  const what = `a silent poll ended after ${String(answer.ms)} ms: ${shown(answer)}`;
  const least = String(pingInterval + pingTimeout);
  return {
    check,
    verdict: "failed",
    what,
    advice: `Polls are silent for ${String(pingInterval)} ms. Let the balancer wait for more than ${least} ms: ${DOCS}#when-to-send-again`,
  };
}

/** Whether a node is up and ready, by its port of health. */
export async function checkNode(url: URL): Promise<Finding> {
  const check = "node";
  const answer = await ask(new URL("/readyz", url), { withinMs: 5_000 });
  if (answer.status === 200) return { check, verdict: "ok", what: `${url.host} is ready` };
  if (answer.status !== 503) {
    const advice = "It is down, or this is not its port of health and metrics (HEALTH_PORT, 9464).";
    return { check, verdict: "failed", what: `${url.host}/readyz: ${shown(answer)}`, advice };
  }
  return {
    check,
    verdict: "failed",
    what: `${url.host} is not ready: ${conditionsOf(answer.body)}`,
    advice:
      "lease, store: it does not reach Redis. bus: it does not reach NATS. staying: it is leaving. w1, w2, …: that worker is not ready.",
  };
}

function conditionsOf(body: string): string {
  try {
    const { conditions = {} } = JSON.parse(body) as { conditions?: Record<string, unknown> };
    const missing = Object.entries(conditions).filter(([, holds]) => holds === false);
    return missing.length === 0 ? body.trim() : `without ${missing.map(([name]) => name).join(", ")}`;
  } catch {
    return body.slice(0, 100);
  }
}
