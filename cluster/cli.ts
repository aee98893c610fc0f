#!/usr/bin/env node
import { runCommand } from "./command";

// Ends the process outright: an application may have left timers or connections behind, and the sessions are gone already.
void runCommand(process.argv.slice(2)).then((exitCode) => process.exit(exitCode));
