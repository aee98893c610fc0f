import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/**
 * CPU time that each of these processes has used so far, all its threads, user and system together, in microseconds.
 * Throws when one of them has ended: its share would be missing from the sum.
 */
export function cpuTimes(pids: readonly number[]): number[] {
  if (existsSync("/proc/self/stat")) return pids.map(fromProc);
  const listed = execFileSync("ps", ["-o", "pid=,time=", "-p", pids.join(",")], { encoding: "utf8" });
  const times = new Map(listed.trim().split("\n").map(psLine));
  return pids.map((pid) => {
    const time = times.get(pid);
    if (time === undefined) throw new Error(`process ${pid} has ended`);
    return time;
  });
}

let ticksPerSecond: number | undefined;

function fromProc(pid: number): number {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) || 100;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    throw new Error(`process ${pid} has ended`, { cause: error });
  }
  return (ticksOf(stat) * 1e6) / ticksPerSecond;
}

/** User and system time of a line of /proc/<pid>/stat, in clock ticks. */
export function ticksOf(stat: string): number {
  // The command's name, in parentheses, may have spaces and parentheses in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** A line `pid [[days-]hours:]minutes:seconds[.hundredths]`, as its pid and microseconds. */
export function psLine(line: string): [pid: number, micros: number] {
  const [pid, time = ""] = line.trim().split(/\s+/);
  const [clock = "", days = "0"] = time.split("-").reverse();
  const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return [Number(pid), (Number(days) * 86_400 + seconds) * 1e6];
}
