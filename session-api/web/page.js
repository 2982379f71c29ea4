// What the account page and the operator's page have in common.

import { NoCookies, Refusal, Session } from "./session.js";

export const session = new Session();

export const $ = (id) => document.getElementById(id);

/** A copy of a `<template>`'s first element. */
export const copyOf = (id) => $(id).content.firstElementChild.cloneNode(true);

/** Shows one of the page's views and hides the others. */
export function show(id) {
  for (const view of document.querySelectorAll("[data-view]")) view.hidden = view.id !== id;
}

let silence = null;

/**
 * Says something, for a while, to whoever looks or listens; to those who listen alone where it is
 * plain to see elsewhere.
 */
export function announce(text, { seen = true } = {}) {
  $("announcement").classList.toggle("unseen", !seen);
  $("announcement").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => $("announcement").replaceChildren(), 8_000);
}

/** Writes what went wrong beside where it was done; nothing removes it. */
export function complain(place, text = "") {
  place.textContent = text;
  place.hidden = !text;
}

/** How far the clock of this machine is from the service's. */
let ahead = 0;

/** A call of the service: its JSON. Throws a `Refusal`, or another error where no answer came. */
export async function call(method, path, { body, headers } = {}) {
  const json = body && { "Content-Type": "application/json" };
  const url = new URL(path, new URL("..", import.meta.url));
  const init = { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) };
  const answer = await session.fetch(url, init);
  const date = Date.parse(answer.headers.get("Date"));
  if (date) ahead = Date.now() - date;
  if (answer.ok) return answer.json();
  throw await Refusal.of(answer);
}

/** What a person can do about it. */
export function words(error) {
  if (error instanceof NoCookies) {
    return location.protocol.startsWith("https")
      ? "This browser keeps no cookies for this page, so nobody can be logged in. Allow them, and load it again."
      : "This browser keeps no cookies for this page, so nobody can be logged in. Allow them and load it again, or come by https.";
  }
  if (!(error instanceof Refusal)) {
    return session.who
      ? "No answer came. Look at your connection; whether it was done shows when you are back."
      : "No answer came. Look at your connection, and try again.";
  }
  const { slug, status, retryAfter } = error;
  if (slug === "bad-credentials") return "The user name or the password is wrong.";
  if (slug === "rate-limited") return `Too many tries. Try again in ${howLong(retryAfter ?? 60)}.`;
  if (slug === "password-refused" || slug === "conflict") return sentence(error.message);
  if (slug === "bad-request") return sentence(error.message);
  if (slug === "forbidden") return "You may not do that.";
  if (slug === "not-found") return "It is no longer there.";
  if (slug === "step-up") return "That was not done: it needs your password.";
  if (status === 401) return "You were logged out before that. Nothing was changed.";
  if (status >= 500) {
    const still = session.who ? "You are still logged in; try again soon." : "Try again soon.";
    return `The service cannot answer now. ${still}`;
  }
  return "The service did not take that.";
}

/** In words; rounded up, so that nobody comes back too early. */
function howLong(seconds) {
  if (seconds <= 90) return counted(seconds, "second");
  if (seconds <= 5_400) return counted(Math.ceil(seconds / 60), "minute");
  return counted(Math.ceil(seconds / 3_600), "hour");
}

/** "1 session", "2 sessions". */
export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Runs what a button or a form does: once at a time, with its trouble written to `place`. */
export async function attempt(button, place, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  complain(place);
  try {
    await action();
  } catch (error) {
    complain(place, words(error));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Opens a dialog; the value of the button that closed it, empty where it was left by Escape. */
export function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const short = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
});

/** Writes a time as "5 minutes ago", with the exact one to point at. */
export function writeAgo(place, text) {
  const seconds = (Date.now() - ahead - Date.parse(text)) / 1_000;
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", Infinity];
  place.textContent = seconds < 60 ? "just now" : relative.format(-Math.floor(seconds / size), unit);
  place.dateTime = text;
  place.title = exact.format(new Date(text));
}

/** Writes a time out; the year only where it is another. */
function writeTime(place, text) {
  const [time, now] = [new Date(text), new Date(Date.now() - ahead)];
  place.textContent = (time.getFullYear() === now.getFullYear() ? short : exact).format(time);
  place.dateTime = text;
  place.title = exact.format(time);
}

/** Writes a session of a list to its card. */
export function writeSession(card, item) {
  // Clients name themselves, some with nothing that can be seen.
  const seen = /(?![\p{DI}\u2800])[\p{L}\p{N}\p{P}\p{S}]/u.test(item.device ?? "");
  const name = seen ? item.device : "An unknown device";
  card.querySelector(".device-name").textContent = name;
  card.querySelector("use").setAttribute("href", picture(name));
  card.querySelector(".badge").hidden = !item.current;
  card.querySelector(".seen").hidden = item.current;
  if (!item.current) writeAgo(card.querySelector(".seen-at"), item.last_seen_at);
  card.querySelector(".ip").textContent = item.ip ?? "";
  const opened = card.querySelector(".opened-at");
  writeTime(opened, item.opened_at);
  const button = card.querySelector(".end");
  button.hidden = item.current;
  button.setAttribute("aria-label", `End ${name}, opened ${opened.textContent}`);
}

/** Which picture stands for a device. */
function picture(device) {
  if (/iPhone|Android/.test(device)) return "#phone";
  return / on /.test(device) ? "#computer" : "#program";
}
