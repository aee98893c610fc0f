import type { Finding, Report } from "./finding";
import { Patient, type PatientOptions } from "./patient";
import { checkRetries } from "./retry-checks";
import { checkIdle, checkNode, checkReach, checkSpread } from "./session-checks";
import { checkIdleWebSocket, checkWebSockets } from "./websocket-checks";

export interface DoctorOptions extends PatientOptions {
  /** Ports of health of single nodes. */
  readonly nodes: readonly URL[];
  /** Leaves out what waits for a ping. */
  readonly quick: boolean;
}

/** Looks at a deployment that runs, from outside, as its clients reach it. It opens a few sessions, and ends them. */
export async function examine(options: DoctorOptions): Promise<Report> {
  const patient = new Patient(options);
  const findings: Finding[] = await Promise.all(options.nodes.map(checkNode));
  const { finding, session } = await checkReach(patient);
  findings.push(finding);
  if (session !== undefined) {
    // They wait for a ping, and do not mind what goes on meanwhile.
    const idle = options.quick ? undefined : Promise.all([checkIdle(patient), checkIdleWebSocket(patient, session)]);
    findings.push(...(await checkSpread(patient, session)));
    findings.push(...(await checkRetries(patient)));
    findings.push(...(await checkWebSockets(patient, session)));
    if (idle === undefined) findings.push({ check: "idle", verdict: "skipped", what: "not checked (--quick)" });
    else findings.push(...(await idle).flat());
    findings.push(...unseen(options, patient));
  }
  return { url: patient.url.href, ok: findings.every(({ verdict }) => verdict !== "failed"), findings };
}

/** Nodes that are there and get nothing. */
function unseen({ nodes: known }: DoctorOptions, { secret, nodes }: Patient): Finding[] {
  if (secret === undefined || known.length <= nodes.size || nodes.size === 0) return [];
  const what = `${String(nodes.size)} nodes answered through the balancer, and ${String(known.length)} were given (--node)`;
  return [{ check: "nodes", verdict: "warning", what, advice: "Does the balancer know all of them?" }];
}
