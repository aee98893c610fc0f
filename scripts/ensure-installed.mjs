import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureInstalled } from "./lib/install.mjs";

ensureInstalled(dirname(dirname(fileURLToPath(import.meta.url))));
