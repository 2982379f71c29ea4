// The account page.

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
  writeAgo,
  writeSession,
} from "./page.js";
import { Refusal } from "./session.js";

const REASONS = {
  logout: "You logged out.",
  user: "This session was ended from another browser or device of yours.",
  admin: "An operator ended this session.",
  reuse: "This session was ended because somebody used a copy of it. If that was not you, change your password.",
  replaced: "Somebody else logged in with this browser.",
  limit: "You logged in elsewhere, and this was your oldest session.",
  all: "Your sessions were ended: by a log-out everywhere, a new password, or an operator.",
  expired: "You had not been here for a long time.",
};

const NOT_SAVED = "Your new password was not saved.";
const SAVED = "Your new password was saved.";
const IN_DOUBT = "Whether your new password was saved is not known: try that one first.";

const mayRegister = document.documentElement.dataset.registration === "open";

/** Items that are shown, by id. */
const items = new Map();
/** Where the list goes on. */
let next = null;
/** What is to be said of the last new password that was sent, once that is known. */
let fate = null;
/** What was ended here: a list that was read before may still hold it. */
const ended = new Set();

/** From the link that `session-api user unlock` prints; see `takeDevice`. */
let deviceToken;

session.onLoggedIn(enter);
session.onLoggedOut(leave);
session.onLine((stands) => {
  $("line").hidden = stands;
  if (stands) refreshList();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshList();
});
// Whatever a page showed when it was left may no longer be so when "back" brings it up again.
addEventListener("pageshow", (event) => {
  if (event.persisted) begin();
});
setInterval(writeTimes, 30_000);
addEventListener("hashchange", takeDevice);
takeDevice();
begin();

/** Takes the device token out of the address, where others might read it. */
function takeDevice() {
  const given = new URLSearchParams(location.hash.slice(1)).get("device");
  if (!given) return;
  deviceToken = given;
  history.replaceState(history.state, "", location.pathname + location.search);
}

async function begin() {
  $("may-register").hidden = !mayRegister;
  try {
    if (!(await session.load())) toLogIn();
    else if (!$("unreachable").hidden) show("account");
  } catch {
    show("unreachable");
    setTimeout(begin, 3_000);
  }
}

function toLogIn() {
  show("logging-in");
  $("whoami").hidden = true;
  $("line").hidden = true;
}

function enter(who) {
  announce("");
  $("ended").hidden = true;
  $("whoami").hidden = false;
  $("name").textContent = who.user.username;
  $("operate").hidden = !who.user.roles.includes("admin");
  $("password-user").value = who.user.username;
  for (const form of document.forms) form.reset();
  for (const place of document.querySelectorAll(".error")) complain(place);
  $("sessions").replaceChildren();
  items.clear();
  ended.clear();
  next = null;
  fate = null;
  show("account");
  $("hello").focus();
  refreshList();
}

function leave(reason) {
  const unsaved = $("current-password").value || $("new-password").value;
  for (const form of document.forms) form.reset();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const own = reason === "logout";
  $("ended-title").textContent = own ? "You are logged out" : "You were logged out";
  $("ended-reason").textContent = own ? "" : (REASONS[reason] ?? "Your session has ended.");
  if (unsaved && !own) sayOfPassword();
  $("ended").hidden = false;
  toLogIn();
  announce($("ended").textContent, { seen: false });
  $(own ? "log-in-title" : "username").focus();
}

/** What became of what was typed: it may be on its way just now. */
async function sayOfPassword() {
  const sent = fate;
  const said = sent ? await sent : NOT_SAVED;
  $("ended-reason").append(` ${said}`);
  if (sent) announce(said, { seen: false });
}

/** Reads the list again, as far as it is shown. */
async function refreshList() {
  const own = session.who?.session;
  if (!own) return;
  try {
    const wanted = items.size;
    const seen = new Set([own.id]);
    let after = null;
    do {
      const part = await read(after);
      part.items.forEach((item) => seen.add(item.id));
      after = part.next;
    } while (after && seen.size < wanted);
    if (session.who?.session.id !== own.id) return;
    next = after;
    for (const [id, card] of items) if (!seen.has(id)) remove(id, card);
    // Older than all that is shown, but here is where its user looks for it.
    if (!items.has(own.id)) put({ ...own, current: true, device: "This browser" });
    complain($("sessions-error"));
  } catch {
    if (session.who) complain($("sessions-error"), "The list could not be read; it may be out of date.");
  }
  showRest();
  $("sessions").setAttribute("aria-busy", "false");
}

/** Reads and shows a part of the list. */
async function read(after) {
  const query = after ? `?after=${encodeURIComponent(after)}` : "";
  const part = await call("GET", `sessions${query}`);
  part.items.forEach(put);
  return part;
}

/** Shows an item at its place: this one first, then the newest. */
function put(item) {
  if (ended.has(item.id)) return;
  let card = items.get(item.id);
  if (!card) {
    card = copyOf("session");
    card.dataset.rank = `${item.current ? 1 : 0} ${item.opened_at}`;
    card.querySelector(".end").addEventListener("click", () => end(item.id));
    items.set(item.id, card);
    const lower = [...$("sessions").children].find((other) => other.dataset.rank < card.dataset.rank);
    $("sessions").insertBefore(card, lower ?? null);
  }
  writeSession(card, item);
}

function writeTimes() {
  for (const time of document.querySelectorAll("#sessions .seen-at[datetime]")) writeAgo(time, time.dateTime);
}

function showRest() {
  $("more").hidden = !next;
  $("end-others").hidden = items.size < 2 && !next;
}

async function end(id) {
  const card = items.get(id);
  await attempt(card.querySelector(".end"), $("sessions-error"), async () => {
    try {
      await call("DELETE", `sessions/${id}`);
    } catch (error) {
      // Ended meanwhile, which is what was wanted.
      if (error.slug !== "not-found") throw error;
    }
    const after = card.nextElementSibling ?? card.previousElementSibling;
    remove(id, card);
    showRest();
    announce("The session was ended.");
    (after?.querySelector(".end:not([hidden])") ?? $("hello")).focus();
  });
}

function remove(id, card) {
  ended.add(id);
  items.delete(id);
  card.remove();
}

$("more").addEventListener("click", (event) =>
  attempt(event.currentTarget, $("sessions-error"), async () => {
    const before = items.size;
    ({ next } = await read(next));
    showRest();
    announce(`${counted(items.size - before, "more session")}.`, { seen: false });
  }),
);

$("end-others").addEventListener("click", (event) =>
  attempt(event.currentTarget, $("sessions-error"), async () => {
    if ((await ask($("confirm-end-others"))) !== "end") return;
    await call("DELETE", "sessions?keep=current");
    for (const [id, card] of items) if (id !== session.who.session.id) remove(id, card);
    next = null;
    showRest();
    announce("All your other sessions were ended.");
    $("hello").focus();
  }),
);

$("log-out").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    await session.logOut();
  } catch (error) {
    announce(`You are not logged out yet. ${words(error)}`);
    button.focus();
  }
});

onSubmit("log-in", "log-in-error", async () => {
  await session.logIn($("username").value, $("password").value, { deviceToken });
  // From now on the browser has it as a cookie.
  deviceToken = undefined;
});

onSubmit("register", "register-error", async () => {
  const [username, password] = [$("new-username").value, $("first-password").value];
  await call("POST", "users", { body: { username, password } });
  try {
    await session.logIn(username, password);
  } catch (error) {
    turnTo("logging-in", "password");
    $("username").value = username;
    complain($("log-in-error"), `Your account was created. ${words(error)}`);
  }
});

onSubmit("change-password", "password-error", async () => {
  const [current, chosen] = [$("current-password"), $("new-password")];
  const answer = call("PUT", "password", { body: { current: current.value, new: chosen.value } });
  const refused = (error) => error instanceof Refusal && error.status < 500;
  fate = answer.then(() => SAVED, (error) => (refused(error) ? NOT_SAVED : IN_DOUBT));
  try {
    await answer;
  } catch (error) {
    if (error.slug !== "bad-credentials") throw error;
    current.focus();
    const problem = { type: "urn:portcullis:password-refused", detail: "that is not your current password." };
    throw new Refusal(422, problem, null);
  }
  $("change-password").reset();
  fate = null;
  announce("The password was changed, and all your other sessions were ended.");
  refreshList();
});

$("to-register").addEventListener("click", () => turnTo("registering", "new-username"));
$("to-log-in").addEventListener("click", () => turnTo("logging-in", "username"));

function turnTo(view, field) {
  $("ended").hidden = true;
  show(view);
  $(field).focus();
}

function onSubmit(form, error, action) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(event.target.querySelector("[type=submit]"), $(error), action);
  });
  $(form).addEventListener("input", () => complain($(error)));
}
