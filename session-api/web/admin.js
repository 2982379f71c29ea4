// The operator's page.

import {
  $,
  announce,
  ask,
  attempt,
  call,
  complain,
  copyOf,
  counted,
  session,
  show,
  words,
  writeSession,
} from "./page.js";
import { callAsOperator } from "./step-up.js";

/** How often the fleet is looked at. Verifiers report every 2 s. */
const LOOK_MS = 2_000;
/** More rows than that nobody reads. */
const MAX_ROWS = 500;
/** For so long a revocation waits for the verifiers. */
const WAIT = { Prefer: "wait=3" };

/** Whether the fleet is looked at, and the timer of the next look. */
let watching = false;
let look = null;
/** Rows of the fleet, by client and instance. */
const rows = new Map();
/** The user whose sessions are shown. */
let shown = null;
let nextUser = null;
let nextSession = null;

session.onLoggedIn(enter);
session.onLoggedOut(leave);
session.onLine((stands) => {
  $("line").hidden = stands;
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && watching) watch();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) begin();
});
begin();

async function begin() {
  try {
    if (!(await session.load())) show("logging-in");
    else if (!$("unreachable").hidden) show("operating");
  } catch {
    show("unreachable");
    setTimeout(begin, 3_000);
  }
}

function enter(who) {
  announce("");
  $("whoami").hidden = false;
  $("name").textContent = who.user.username;
  $("log-in").reset();
  $("ended").hidden = true;
  if (!who.user.roles.includes("admin")) {
    forget();
    return show("forbidden");
  }
  // The password may just have been given again, in the middle of something.
  if ($("operating").hidden) {
    show("operating");
    $("verifiers-title").focus();
  }
  watch();
}

/** Nothing stays that only an operator may see: the next user of this browser may be none. */
function forget() {
  clearTimeout(look);
  watching = false;
  shown = null;
  rows.clear();
  for (const list of ["verifiers", "users", "users-said", "sessions"]) $(list).replaceChildren();
  for (const part of ["verifiers-table", "users-table", "sessions-of"]) $(part).hidden = true;
  for (const part of ["verifiers-summary", "sessions-title", "sessions-user"]) $(part).textContent = "";
  $("find").reset();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

function leave(reason) {
  forget();
  for (const part of ["whoami", "line"]) $(part).hidden = true;
  $("ended").hidden = reason === "logout";
  show("logging-in");
  announce("You are logged out.", { seen: reason === "logout" });
  $("username").focus();
}

// The fleet.

async function watch() {
  clearTimeout(look);
  watching = true;
  try {
    // To ask for the password in the middle of something else would be a nuisance.
    writeFleet(await call("GET", "admin/verifiers"));
    complain($("verifiers-error"));
  } catch (error) {
    if (!session.who) return;
    watching = error.slug !== "step-up";
    complain($("verifiers-error"), watching ? words(error) : "You logged in a while ago; the list stands still.");
  }
  $("paused").hidden = watching;
  // A page that nobody looks at asks nothing.
  if (watching && session.who && !document.hidden) look = setTimeout(watch, LOOK_MS);
}

function writeFleet({ items, head }) {
  items.sort((one, other) => `${one.service} ${one.instance}`.localeCompare(`${other.service} ${other.instance}`));
  const stale = items.filter((item) => !item.fresh).length;
  const behind = items.filter((item) => (item.head ?? 0) < head).length;
  $("verifiers-summary").textContent = items.length
    ? `${items.length} live, ${stale} stale, ${behind} behind. The log stands at ${head ?? "?"}.`
    : "No verifier has reported.";
  const ids = new Set();
  for (const item of items.slice(0, MAX_ROWS)) {
    const id = `${item.client} ${item.instance}`;
    ids.add(id);
    if (!rows.has(id)) rows.set(id, copyOf("verifier"));
    writeVerifier(rows.get(id), item, head);
  }
  for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
  const order = [...ids].map((id) => rows.get(id));
  if (order.some((row, index) => $("verifiers").children[index] !== row) || $("verifiers").children.length !== order.length) {
    $("verifiers").replaceChildren(...order);
  }
  $("verifiers-table").hidden = !items.length;
}

function writeVerifier(row, item, head) {
  const write = (cell, text) => {
    const place = row.querySelector(`.${cell}`);
    if (place.textContent !== text) place.textContent = text;
  };
  write("service", item.service);
  write("instance", item.instance.slice(0, 8));
  write("state", item.fresh ? "Fresh" : "Stale");
  row.querySelector(".state").classList.toggle("bad", !item.fresh);
  write("age", item.age_ms === null ? "no view yet" : `${(item.age_ms / 1_000).toFixed(1)} s`);
  write("applied", (item.head ?? 0) < head ? "Not the newest" : "Everything");
  write("head", String(item.head ?? "none"));
  write("accepted", item.counts.accepted.toLocaleString("en"));
  write("refused", item.counts.refused.toLocaleString("en"));
  write("unavailable", item.counts.unavailable.toLocaleString("en"));
  write("version", item.version);
}

$("go-on").addEventListener("click", (event) =>
  attempt(event.currentTarget, $("verifiers-error"), async () => {
    await callAsOperator("GET", "admin/verifiers");
    await watch();
  }),
);

// Users.

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target.querySelector("button"), $("users-error"), () => find($("wanted").value.trim()));
});

async function find(name) {
  const query = name ? `?username=${encodeURIComponent(name)}` : "";
  const { items, next } = await callAsOperator("GET", `admin/users${query}`);
  $("users").replaceChildren();
  closeSessions();
  addUsers(items, next);
  if (name && items.length === 1) await open(items[0]);
}

function addUsers(items, next) {
  nextUser = next;
  for (const item of items) {
    const row = copyOf("user");
    row.querySelector(".username").textContent = item.username;
    row.querySelector(".roles").textContent = item.roles.join(", ");
    writeState(row, item.disabled);
    row.dataset.user = item.id;
    const button = row.querySelector(".open");
    button.setAttribute("aria-label", `Sessions of ${item.username}`);
    button.addEventListener("click", () => attempt(button, $("users-error"), () => open(item)));
    $("users").append(row);
  }
  const count = $("users").children.length;
  const more = next ? ", and there are more" : "";
  $("users-said").textContent = count ? `${counted(count, "user")}${more}.` : "There is no user of that name.";
  $("users-table").hidden = !count;
  $("more-users").hidden = !next;
}

function writeState(row, disabled) {
  const badge = row.querySelector(".state");
  badge.textContent = disabled ? "Disabled" : "Active";
  badge.classList.toggle("bad", disabled);
}

$("more-users").addEventListener("click", (event) =>
  attempt(event.currentTarget, $("users-error"), async () => {
    const { items, next } = await callAsOperator("GET", `admin/users?after=${encodeURIComponent(nextUser)}`);
    addUsers(items, next);
  }),
);

// One user's sessions.

async function open(user) {
  const part = await callAsOperator("GET", `admin/users/${user.id}/sessions`);
  shown = user;
  $("sessions-title").textContent = `Sessions of ${user.username}`;
  $("sessions-user").textContent = user.id;
  $("sessions").replaceChildren();
  complain($("sessions-error"));
  addSessions(part);
  $("disable").hidden = user.disabled;
  $("enable").hidden = !user.disabled;
  $("sessions-of").hidden = false;
  $("sessions-title").focus();
}

function closeSessions() {
  shown = null;
  $("sessions-of").hidden = true;
}

function addSessions({ items, next }) {
  nextSession = next;
  for (const item of items) {
    const [card, user] = [copyOf("session"), shown];
    writeSession(card, item);
    const button = card.querySelector(".end");
    button.addEventListener("click", () => attempt(button, $("sessions-error"), () => end(user, item, card)));
    $("sessions").append(card);
  }
  showRest();
}

function showRest() {
  const none = !$("sessions").children.length && !nextSession;
  $("sessions-none").hidden = !none;
  $("end-sessions").hidden = none;
  $("more-sessions").hidden = !nextSession;
}

async function end(user, { id }, card) {
  const path = `admin/users/${user.id}/sessions/${id}`;
  const ended = await callAsOperator("DELETE", path, { headers: WAIT });
  card.remove();
  showRest();
  announce(`The session was ended. ${applied(ended)}`);
  if (shown === user) $("sessions-title").focus();
}

$("more-sessions").addEventListener("click", (event) =>
  attempt(event.currentTarget, $("sessions-error"), async () => {
    const [user, after] = [shown, encodeURIComponent(nextSession)];
    const part = await callAsOperator("GET", `admin/users/${user.id}/sessions?after=${after}`);
    if (shown === user) addSessions(part);
  }),
);

onClick("end-sessions", async (user) => {
  const text = "They are logged out at once, at every service.";
  if (!(await confirmed(`End all sessions of ${user.username}?`, text, "End them"))) return;
  const ended = await callAsOperator("DELETE", `admin/users/${user.id}/sessions`, { headers: WAIT });
  announce(`The sessions of ${user.username} were ended. ${applied(ended)}`);
  if (session.who) await open(user);
});

onClick("disable", async (user) => {
  const text = "All sessions end, and nobody can log in with this name until it is enabled again.";
  if (!(await confirmed(`Disable ${user.username}?`, text, "Disable"))) return;
  const ended = await callAsOperator("POST", `admin/users/${user.id}/disable`, { headers: WAIT });
  announce(`${user.username} is disabled. ${applied(ended)}`);
  if (session.who) await changed(user, true);
});

onClick("enable", async (user) => {
  await callAsOperator("POST", `admin/users/${user.id}/enable`);
  announce(`${user.username} can log in again.`);
  await changed(user, false);
});

function onClick(id, action) {
  $(id).addEventListener("click", (event) =>
    attempt(event.currentTarget, $("sessions-error"), () => action(shown)),
  );
}

async function changed(user, disabled) {
  user.disabled = disabled;
  const row = [...$("users").children].find((row) => row.dataset.user === user.id);
  if (row) writeState(row, disabled);
  await open(user);
}

/** Who knows of it already. */
function applied({ verifiers }) {
  if (!verifiers) return "It is not known yet which verifiers have applied it.";
  const { live, applied } = verifiers;
  return live ? `${applied} of ${live} verifiers have applied it.` : "There is no verifier to apply it.";
}

async function confirmed(title, text, verb) {
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = verb;
  return (await ask($("confirm"))) === "yes";
}

// Coming and going.

$("log-in").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target.querySelector("[type=submit]"), $("log-in-error"), () =>
    session.logIn($("username").value, $("password").value),
  );
});

$("log-out").addEventListener("click", async () => {
  try {
    await session.logOut();
  } catch (error) {
    announce(`You are not logged out yet. ${words(error)}`);
  }
});
