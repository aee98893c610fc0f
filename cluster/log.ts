import { pino } from "pino";
import type { LogFormat, LogLevel } from "./settings";

export type LogFields = Readonly<Record<string, unknown>>;

/** What the processes of the command say. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  /** Who speaks: "primary", or a worker's name. */
  readonly name: string;
  readonly write?: (line: string) => void;
}

/** Plain lines for people, structured ones for what collects logs. */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stdout.write(line));
  return options.format === "json" ? jsonLog(options, write) : plainLog(options, write);
}

export function logFormat(chosen: LogFormat | undefined, nodeEnvironment: string | undefined): LogFormat {
  return chosen ?? (nodeEnvironment === "production" ? "json" : "plain");
}

/**
 * The start of a session id, enough to find lines that belong together. A whole id in a log would be a key to the
 * session for everybody who reads logs.
 */
export function shortSid(sid: string): string {
  return `${sid.slice(0, 6)}…`;
}

/** The text of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function jsonLog(options: LogOptions, write: (line: string) => void): Log {
  const logger = pino({ level: options.level, base: { pid: process.pid, name: options.name } }, { write });
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

function plainLog(options: LogOptions, write: (line: string) => void): Log {
  const line =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (RANK[level] < RANK[options.level]) return;
      const details = Object.entries(fields).map(([name, value]) => ` ${name}=${plainValue(value)}`);
      const mark = level === "warn" || level === "error" ? `${level}: ` : "";
      write(`[${options.name}] ${mark}${message}${details.join("")}\n`);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

function plainValue(value: unknown): string {
  if (value === undefined) return "undefined";
  return typeof value === "string" && /^\S+$/.test(value) ? value : JSON.stringify(value);
}
