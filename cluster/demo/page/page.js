"use strict";
/* global document, location, performance, URL, window, XMLHttpRequest */

const LINES_KEPT = 200;
const GONE_KEPT = 5;
const MARKS = 6;

const element = (id) => document.getElementById(id);
const enginePath = document.querySelector('meta[name="engine-path"]').content;

/** Per worker process: how many requests it answered. */
const workers = new Map();
/** Messages that are under way, by id. */
const messages = new Map();
let nextId = 1;
let owner;
let takeovers = 0;
let dyingSince;

// --- what the session's requests look like from outside: the client is stock, the page only watches its XMLHttpRequests

watchRequests((request) => {
  const { method, worker, status, ms, body } = request;
  if (worker !== null) count(worker, method);
  addLine("log", [
    text("method", method),
    worker === null ? text("worker bad", status === 0 ? "no answer" : `status ${status}`) : workerName(worker),
    text("grow soft", status === 200 ? "" : `status ${status}`),
    text("soft", `${Math.round(ms)} ms`),
  ]);
  if (method === "POST" && worker !== null) {
    for (const message of messages.values()) {
      if (message.takenBy === undefined && body.includes(message.packet)) {
        message.takenBy = worker;
        showEcho(message);
      }
    }
  }
});

function watchRequests(onDone) {
  const { open, send } = XMLHttpRequest.prototype;
  const watched = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (new URL(url, location.href).pathname.startsWith(enginePath)) watched.set(this, method);
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const method = watched.get(this);
    if (method !== undefined) {
      const start = performance.now();
      this.addEventListener("loadend", () => {
        const ms = performance.now() - start;
        onDone({
          method,
          worker: this.getResponseHeader("x-worker"),
          status: this.status,
          ms,
          body: String(body ?? ""),
        });
      });
    }
    return send.call(this, body);
  };
}

// --- the session

const socket = window.eio({ path: enginePath, transports: ["polling"] });

socket.on("open", () => {
  element("sid").textContent = socket.id;
  setState("open", "open");
  element("send").disabled = false;
  socket.send(JSON.stringify({ demo: "hello" }));
});

socket.on("message", (data) => {
  const message = JSON.parse(data);
  if (message.demo === "owner") onOwner(message);
  else if (message.demo === "echo") onEcho(message);
  else if (message.demo === "dying") onDying(message);
  else if (message.demo === "refused") notice(message.why);
});

socket.on("close", (reason) => {
  setState("closed", `closed: ${reason}`);
  element("send").disabled = true;
  element("kill").disabled = true;
  notice("Reload the page for a new session.");
});

function onOwner({ worker, recovered, kill }) {
  const before = owner;
  owner = worker;
  element("owner").replaceChildren(workerName(worker));
  element("kill").disabled = !kill;
  setState("open", "open");
  if (recovered && before !== undefined && before !== worker) {
    takeovers++;
    element("takeovers").textContent = String(takeovers);
    const ms = dyingSince === undefined ? undefined : Math.round(performance.now() - dyingSince);
    notice(
      `${before} is gone. `,
      strong(worker),
      ` took the session over${ms === undefined ? "" : ` ${ms} ms after the kill`}: same id, same client.`,
    );
  }
  dyingSince = undefined;
  showWorkers();
}

function onDying({ worker }) {
  dyingSince = performance.now();
  const entry = workers.get(worker);
  if (entry !== undefined) entry.gone = true;
  setState("orphan", "its owner was killed");
  element("kill").disabled = true;
  notice(strong(worker), " kills itself. The next request finds the session a new owner.");
  showWorkers();
  // The poll that waits brings the new owner's word by itself; a message would too.
}

function onEcho(echo) {
  const message = messages.get(echo.id);
  if (message === undefined) return;
  message.echo = echo;
  showEcho(message);
}

function showEcho(message) {
  if (message.echo === undefined || message.takenBy === undefined) return;
  messages.delete(message.id);
  addLine("echoes", [
    text("grow", message.echo.text),
    labelled("POST taken by", workerName(message.takenBy)),
    labelled("owner", workerName(message.echo.owner)),
  ]);
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("message");
  if (input.value === "" || socket.readyState !== "open") return;
  const id = nextId++;
  const packet = JSON.stringify({ demo: "say", id, text: input.value });
  messages.set(id, { id, packet });
  socket.send(packet);
  input.value = "";
});

element("kill").addEventListener("click", () => {
  socket.send(JSON.stringify({ demo: "kill" }));
});

// --- what is shown

function count(worker, method) {
  const entry = workerEntry(worker);
  if (method === "POST") entry.posts++;
  else entry.gets++;
  showWorkers();
}

function workerEntry(worker) {
  let entry = workers.get(worker);
  if (entry === undefined) {
    entry = { gets: 0, posts: 0, gone: false };
    workers.set(worker, entry);
    // Another process under the name of one that is gone has taken its place.
    for (const [name, other] of workers) if (name !== worker && slot(name) === slot(worker)) other.gone = true;
    const gone = [...workers.keys()].filter((name) => workers.get(name).gone);
    for (const name of gone.slice(0, -GONE_KEPT)) workers.delete(name);
  }
  return entry;
}

function showWorkers() {
  const rows = [...workers].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  element("workers").replaceChildren(
    ...rows.map(([worker, entry]) => {
      const row = document.createElement("tr");
      row.dataset.worker = worker;
      if (entry.gone) row.className = "gone";
      const mark = worker === owner && !entry.gone ? text("badge", "owner") : entry.gone ? "gone" : "";
      row.append(...[workerName(worker), String(entry.gets), String(entry.posts), mark].map(cell));
      return row;
    }),
  );
}

function cell(content) {
  const td = document.createElement("td");
  td.append(content);
  return td;
}

function slot(worker) {
  return worker.split("/")[0];
}

const slots = [];

function workerName(worker) {
  const name = slot(worker);
  if (!slots.includes(name)) slots.push(name);
  // w1 has its colour whichever of the workers is seen first.
  const number = Number(/^w(\d+)$/.exec(name)?.[1] ?? slots.indexOf(name) + 1);
  return text(`worker mark-${(number - 1) % MARKS}`, worker);
}

function labelled(label, content) {
  const span = text("soft", `${label} `);
  span.append(content);
  return span;
}

function setState(state, words) {
  element("state").dataset.state = state;
  element("state").textContent = words;
}

function notice(...parts) {
  element("notice").replaceChildren(...parts);
}

function strong(words) {
  const b = document.createElement("b");
  b.textContent = words;
  return b;
}

function text(className, words) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = words;
  return span;
}

function addLine(list, parts) {
  const line = document.createElement("li");
  line.append(...parts);
  element(list).prepend(line);
  while (element(list).childElementCount > LINES_KEPT) element(list).lastElementChild.remove();
}
