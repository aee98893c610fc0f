import type { Finding } from "./finding";
import { shown } from "./http";
import { sessionOf, type Patient, type PatientSession } from "./patient";
import { openWebSocket, type Line } from "./websocket";

const DOCS = "docs/balancers.md#what-else-matters";
const ANSWER_WITHIN = 5_000;
/** A ping may come so much later than it should. */
const LENIENCE = 10_000;
/** Polls of a session that is going over. */
const POLLS = 10;
const LONGEST_PING = 60_000;
const ADVICE = `The balancer has to pass Upgrade and Connection on, with HTTP/1.1 to the nodes: ${DOCS}`;

/** Whether websockets pass, as the beginning of a session and in the place of its polls. */
export async function checkWebSockets(patient: Patient, { upgrades }: PatientSession): Promise<Finding[]> {
  if (!upgrades.includes("websocket")) {
    return [{ check: "websocket", verdict: "skipped", what: "the nodes offer no websockets (TRANSPORTS)" }];
  }
  return [await direct(patient), await upgrade(patient)];
}

async function direct(patient: Patient): Promise<Finding> {
  const check = "websocket";
  const opened = await openWebSocket(patient.address("websocket", ""), patient.headers({ kind: "who" }));
  const { line, why } = opened;
  if (line === undefined)
    return { check, verdict: "failed", what: `a websocket was not opened: ${why ?? ""}`, advice: ADVICE };
  const node = patient.nodeOf(opened.headers);
  const first = await line.next(ANSWER_WITHIN);
  line.close();
  if (first === undefined || sessionOf(first) === undefined) return silent(check, line);
  return { check, verdict: "ok", what: `a websocket was opened${node === undefined ? "" : ` at ${node}`}` };
}

async function upgrade(patient: Patient): Promise<Finding> {
  const check = "upgrade";
  const { session, answer } = await patient.open();
  if (session === undefined) return { check, verdict: "failed", what: `no session could be opened: ${shown(answer)}` };
  const opened = await openWebSocket(patient.address("websocket", session.sid), patient.headers({ kind: "who" }));
  const { line, why } = opened;
  if (line === undefined) {
    await patient.post(session.sid, "1");
    return {
      check,
      verdict: "failed",
      what: `a websocket for a polling session was not opened: ${why ?? ""}`,
      advice: ADVICE,
    };
  }
  const at = [patient.nodeOf(answer.headers), patient.nodeOf(opened.headers)] as const;
  line.say("2probe");
  const probe = await line.nextLike("3probe", ANSWER_WITHIN);
  if (probe === undefined) {
    line.close();
    await patient.post(session.sid, "1");
    return silent(check, line);
  }
  line.say("5");
  const done = await wentOver(patient, session.sid);
  line.close();
  if (!done) return silent(check, line);
  const where =
    at[0] === undefined || at[1] === undefined ? "" : `, the session at ${at[0]}, the websocket at ${at[1]}`;
  return { check, verdict: "ok", what: `a polling session went over to a websocket${where}` };
}

/** A session that has a websocket refuses polls; until then they are let go. */
async function wentOver(patient: Patient, sid: string): Promise<boolean> {
  for (let i = 0; i < POLLS; i++) {
    const { status } = await patient.poll(sid, { withinMs: ANSWER_WITHIN });
    if (status !== 200) return status === 400;
  }
  return false;
}

function silent(check: string, line: Line): Finding {
  const what = `the websocket was opened and not answered${line.ended === undefined ? "" : `: ${line.ended}`}`;
  return { check, verdict: "failed", what, advice: ADVICE };
}

/** Whether a websocket may be silent for as long as a ping takes. */
export async function checkIdleWebSocket(patient: Patient, { upgrades }: PatientSession): Promise<Finding[]> {
  if (!upgrades.includes("websocket")) return [];
  const check = "idle socket";
  const { line } = await openWebSocket(patient.address("websocket", ""), patient.headers({ kind: "who" }));
  // That it cannot be opened is told by another check.
  if (line === undefined) return [];
  const session = sessionOf((await line.next(ANSWER_WITHIN)) ?? "");
  if (session === undefined || session.pingInterval > LONGEST_PING) {
    line.close();
    return [];
  }
  const { pingInterval, pingTimeout } = session;
  const ping = await line.nextLike("2", pingInterval + LENIENCE);
  const { ended } = line;
  line.close();
  if (ping !== undefined) return [{ check, verdict: "ok", what: "a silent websocket got its ping" }];
  const least = String(pingInterval + pingTimeout);
  return [
    {
      check,
      verdict: "failed",
      what: `a silent websocket got no ping: ${ended ?? "nothing came"}`,
      advice: `Let the balancer keep connections that are silent for ${least} ms: ${DOCS}`,
    },
  ];
}
